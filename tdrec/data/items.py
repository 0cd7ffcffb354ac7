"""Items: the catalogue that rows refer to, and what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data.columns import Column, sealed, whole_numbers
from tdrec.data.error import DataError

_LARGEST_TABLE = 1 << 20


@dataclass(frozen=True, eq=False)
class Items:
    """A catalogue of items and what is known of them. The arrays are read-only.

    Args:
        ids: Unique, int64 of shape `(items,)`.
        columns: What is known, by name, each of as many rows.
        names: What stands for an id where the items are known by words: that of id i is
            `names[i]`. Default None: the ids are the items' own numbers.

    Raises:
        DataError: If they do not fit together.

    Example:
        >>> from tdrec.data import Categories
        >>> items = Items([7, 9], {"colour": Categories.of(["red", "blue"])})
        >>> items.rows([9, 7, 9])
        array([1, 0, 1])
    """

    noun = "item"
    """What messages call one."""

    ids: NDArray[np.int64]
    columns: Mapping[str, Column] = field(default_factory=dict)
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        noun = self.noun
        ids = whole_numbers("ids", self.ids)
        values, counts = np.unique(ids, return_counts=True)
        if values.size != ids.size:
            raise DataError(
                f"{noun.capitalize()} ids must be unique. Received: {values[counts > 1][0]} more "
                f"than once. Keep one entry for each {noun}."
            )
        for name, column in self.columns.items():
            if len(column) != ids.size:
                raise DataError(
                    f"A column must have one entry for each of the {ids.size} {noun}s. "
                    f"Received: {name!r} with {len(column)}."
                )
        object.__setattr__(self, "ids", sealed(ids, self.ids))

    def __len__(self) -> int:
        return int(self.ids.size)

    def rows(self, item_ids: ArrayLike) -> NDArray[np.int64]:
        """Says where in the catalogue each item stands.

        Args:
            item_ids: Integers, shape `(rows,)`.

        Returns:
            Positions in `ids`, int64 of shape `(rows,)`.

        Raises:
            DataError: If an id is not in the catalogue.
        """
        wanted = whole_numbers(f"{self.noun}_ids", item_ids)
        found = self._places(wanted)
        if (found < 0).any():
            first = int(np.argmax(found < 0))
            raise DataError(
                f"Every {self.noun} id must be in the catalogue of {len(self)} {self.noun}s. "
                f"Received: {self.noun} id {wanted[first]} at row {first}. Add the {self.noun} or "
                "drop the row."
            )
        return found

    def has(self, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which ids are in the catalogue, of shape `(rows,)`."""
        found: NDArray[np.bool_]
        if self._are_positions(item_ids):
            found = (self._positions >= 0)[item_ids]  # a byte each is faster than a position
        else:
            found = self._index.get_indexer(item_ids) >= 0
        return found

    def _places(self, item_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each stands, or -1."""
        found: NDArray[np.int64]
        if self._are_positions(item_ids):
            found = self._positions[item_ids]
        else:
            found = self._index.get_indexer(item_ids)
        return found

    def _are_positions(self, item_ids: NDArray[np.int64]) -> bool:
        """Whether all are positions in `_positions`."""
        return bool(item_ids.size and item_ids.min() >= 0 and item_ids.max() < self._positions.size)

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        """The position of each id, or -1; of no ids where they do not index an array."""
        size = int(self.ids.max(initial=0)) + 1
        if size > _LARGEST_TABLE or (self.ids < 0).any():
            return np.empty(0, np.int64)
        positions = np.full(size, -1)
        positions[self.ids] = np.arange(len(self))
        return positions

    @cached_property
    def _index(self) -> Any:
        import pandas as pd

        return pd.Index(self.ids)
