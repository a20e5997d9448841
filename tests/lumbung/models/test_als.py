"""One side's factors, against the normal equations of each row by themselves."""

import numpy as np
import pytest
from scipy import sparse

from lumbung.models import als


@pytest.mark.parametrize("block", [1, 3, 7, als.BLOCK])
def test_each_row_is_solved_by_its_own_normal_equations(monkeypatch, block):
    monkeypatch.setattr(als, "BLOCK", block)
    random = np.random.default_rng(1)
    entries = random.random((11, 8)) < 0.4
    entries[4] = False  # a row without entries
    weights, targets = random.random((11, 8)) * entries, random.normal(size=(11, 8)) * entries
    factors, base, ridge = random.normal(size=(8, 3)), np.diag([1.0, 2.0, 3.0]), random.random(11) + 0.1
    solved = als.Side(sparse.csr_array(weights), sparse.csr_array(targets)).solve(factors, base, ridge)
    for row in range(11):
        equations = factors.T @ np.diag(weights[row]) @ factors + base + ridge[row] * np.eye(3)
        assert solved[row] == pytest.approx(np.linalg.solve(equations, factors.T @ targets[row]))


def test_what_is_solved_has_the_least_loss():
    random = np.random.default_rng(2)
    weights, targets = random.random((1, 6)), random.normal(size=(1, 6))
    factors = random.normal(size=(6, 2))
    solved = als.Side(sparse.csr_array(weights), sparse.csr_array(targets)).solve(factors, np.eye(2))[0]

    def loss(row):
        scores = factors @ row
        return (weights[0] * scores**2 - 2 * targets[0] * scores).sum() + row @ row

    assert all(loss(solved) < loss(solved + random.normal(0, 0.01, 2)) for _ in range(100))
