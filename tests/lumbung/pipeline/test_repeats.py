"""Hashes that repeat, held against keys that are counted one by one."""

import tempfile
from collections import Counter
from pathlib import Path

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from lumbung.pipeline import repeats
from lumbung.pipeline.repeats import KeyHashes
from lumbung.storage.duck import engine

NAMES = ["id", 'part "two"']
TEXTS = st.sampled_from(
    ["", "a", "A", "é", "e\u0301", "a\0b", "0a", "longer than twelve bytes", "longer than twelve byteS"]
)
SCHEMA = pa.schema([(name, pa.string()) for name in NAMES])
BATCHES = st.lists(st.lists(st.tuples(TEXTS, TEXTS), max_size=8), max_size=8)


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with engine(tmp_path_factory.mktemp("engine")) as opened:
        yield opened


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(BATCHES, st.integers(1, 20))
def test_the_keys_that_repeat_are_those_whose_hashes_do(db, batches, run_rows):
    """However many rows a run has, and whether a key repeats in a batch, in a run or across runs."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "RUN_ROWS", run_rows)
        with KeyHashes(db, NAMES, Path(folder)) as hashes:
            seen = {}
            for rows in batches:
                batch = pa.RecordBatch.from_pylist([dict(zip(NAMES, row, strict=True)) for row in rows], SCHEMA)
                hashes.add(batch)
                hashed = db.from_arrow(batch).project(hashes.expression).fetchall()
                seen |= {row: value for row, (value,) in zip(rows, hashed, strict=True)}
            counts = Counter(row for rows in batches for row in rows)
            expected = {seen[row] for row, times in counts.items() if times > 1}
            repeated = hashes.repeated()
            assert repeated.dtype == np.uint64
            assert sorted(repeated.tolist()) == sorted(expected)
