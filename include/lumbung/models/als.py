"""Alternating least squares: one side's factors by the normal equations, in blocks that bound the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # the API does without scipy: half of its memory
    from scipy import sparse

type Floats = np.ndarray[Any, np.dtype[np.float64]]

# Rows, and columns, of the other side that are worked on at once: at 32 factors some 70 MB.
BLOCK = 8192


class Side:
    """What one side (students, or courses) is solved from: for each of its rows the entries of the other side.

    For a row x with entries i, `solve` minimises, with y_i the other side's factors,

        sum over i of (weight_i (x.y_i)^2 - 2 target_i (x.y_i)) + x'(base + ridge) x

    which both implicit feedback (Hu, Koren, Volinsky 2008: weight c - 1, target c, base Y'Y) and explicit ratings
    (Zhou et al. 2008: weight 1, target the rating, ridge by the number of entries) are cases of.
    """

    def __init__(self, weights: sparse.csr_array, targets: sparse.csr_array) -> None:
        """Cut into blocks.

        Args:
            weights: (rows, columns), the weight of each entry.
            targets: the same entries' targets.
        """
        self.rows, self.columns = weights.shape
        self._blocks = [
            (
                slice(start, min(start + BLOCK, self.rows)),
                targets[start : start + BLOCK],
                _by_columns(weights[start : start + BLOCK]),
            )
            for start in range(0, self.rows, BLOCK)
        ]

    def solve(self, factors: Floats, base: Floats, ridge: Floats | None = None) -> Floats:
        """This side's factors.

        Args:
            factors: of the other side, (columns, rank).
            base: (rank, rank), added to the normal equations of each row.
            ridge: (rows,), added to their diagonal; None: nothing.

        Returns:
            (rows, rank).
        """
        rank = factors.shape[1]
        upper = np.triu_indices(rank)
        square = np.empty((rank, rank), np.intp)
        square[upper] = square.T[upper] = np.arange(len(upper[0]))
        solved = np.empty((self.rows, rank))
        only = _products(factors, upper) if self.columns <= BLOCK else None
        for rows, targets, parts in self._blocks:
            triangles = np.zeros((targets.shape[0], len(upper[0])))
            for columns, weights in parts:
                triangles += weights @ (_products(factors[columns], upper) if only is None else only)
            equations = np.take(triangles, square, axis=1)
            equations += base
            if ridge is not None:
                equations[:, np.arange(rank), np.arange(rank)] += ridge[rows, None]
            solved[rows] = np.linalg.solve(equations, (targets @ factors)[:, :, None])[:, :, 0]
        return solved


def _by_columns(weights: sparse.csr_array) -> list[tuple[slice, sparse.csr_array]]:
    """The entries in blocks of columns, without those that are empty."""
    columns = weights.shape[1]
    if columns <= BLOCK:
        return [(slice(0, columns), weights)]
    blocks = ((slice(start, start + BLOCK), weights[:, start : start + BLOCK]) for start in range(0, columns, BLOCK))
    return [(slice_, block) for slice_, block in blocks if block.nnz]


def _products(factors: Floats, upper: tuple[Any, ...]) -> Floats:
    """The upper triangle of each row's outer product with itself, (rows, rank (rank + 1) / 2)."""
    return factors[:, upper[0]] * factors[:, upper[1]]
