"""Ids of a model, sorted: found by binary search in their bytes, so that a hundred thousand take little memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, overload

import numpy as np


class Labels(Sequence[str]):
    """Sorted, distinct texts, as `model_file.pack` stores them."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        self._content = arrays[f"{name}_bytes"].tobytes()
        self._ends = arrays[f"{name}_ends"]

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        return self._encoded(range(len(self))[index]).decode()

    def find(self, text: str) -> int | None:
        """Where a text is; None: it is not among them."""
        wanted = text.encode(errors="surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._encoded(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._encoded(low) == wanted else None

    def sorted_and_distinct(self) -> bool:
        """Whether each text is greater than the one before it, by its UTF-8 bytes."""
        encoded = [self._encoded(position) for position in range(len(self))]
        return all(before < after for before, after in pairwise(encoded))

    def _encoded(self, position: int) -> bytes:
        start = self._ends[position - 1] if position else 0
        return self._content[start : self._ends[position]]
