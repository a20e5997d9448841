"""Contracts written in a line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lumbung.catalog.contract import Contract

MakeContract = Callable[..., Contract]


@pytest.fixture(scope="session")
def make_contract() -> MakeContract:
    """A contract of an address and its columns' names; a name with a star is of the key."""

    def make(address: str, *names: str, **fields: object) -> Contract:
        dataset, table = address.split(".")
        return Contract.model_validate(
            {
                "dataset": dataset,
                "table": table,
                "description": "A table.",
                "grain": "a row",
                "system": "shop",
                "key": [name.strip("*") for name in names if name.endswith("*")],
                "columns": [{"name": name.strip("*"), "description": "A column."} for name in names],
                "path": Path(dataset, f"{table}.yaml"),
                **fields,
            }
        )

    return make
