"""A vocabulary: known values, each with an index, and index 0 for every other one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Vocabulary:
    """A fixed list of known values, each with an index.

    The known values have the indices 1 to n in the order given. Index 0 stands for every other
    value ("out of vocabulary"), so a lookup never fails and never leaves the embedding table.

    Args:
        values: Different integers, or different strings.

    Raises:
        ValueError: If a value is repeated, or the values are not all integers or all strings.

    Example:
        >>> Vocabulary((10, 30)).lookup([30, 20, 10])
        array([2, 0, 1], dtype=int32)
    """

    values: tuple[int, ...] | tuple[str, ...]

    def __post_init__(self) -> None:
        kinds = {type(value) for value in self.values}
        if len(kinds) > 1 or not kinds <= {int, str}:
            raise ValueError(
                "A vocabulary holds integers only or strings only. "
                f"Received: {sorted(kind.__name__ for kind in kinds)}."
            )
        if len(set(self.values)) != len(self.values):
            repeated = next(v for i, v in enumerate(self.values) if v in self.values[:i])
            raise ValueError(
                f"The values of a vocabulary must differ. Received: {repeated!r} more than once. "
                "Use `Vocabulary.fit` to collect different values from data."
            )

    @classmethod
    def fit(cls, values: ArrayLike, min_count: int = 1) -> Vocabulary:
        """Collects the different values that occur, sorted: the order of the data has no influence.

        Args:
            values: Integers or strings, shape `(rows,)`.
            min_count: How often a value must occur to be kept.

        Raises:
            ValueError: If `min_count` is below 1 or the values are neither integers nor strings.
        """
        if min_count < 1:
            raise ValueError(f"`min_count` must be at least 1. Received: {min_count}.")
        array = np.asarray(values)
        if array.size and array.dtype.kind not in "iuU":
            raise ValueError(
                f"A vocabulary is fitted on integers or strings. Received: {array.dtype}."
            )
        different, counts = np.unique(array, return_counts=True)
        return cls.from_list(different[counts >= min_count].tolist())

    @classmethod
    def from_list(cls, values: Iterable[int] | Iterable[str]) -> Vocabulary:
        """Makes the vocabulary whose `to_list()` was `values`."""
        return cls(tuple(values))  # type: ignore[arg-type]

    def to_list(self) -> list[int] | list[str]:
        """The known values in the order of their indices, without the out-of-vocabulary entry."""
        return list(self.values)  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """How many indices there are, the out-of-vocabulary one included."""
        return len(self.values) + 1

    def lookup(self, values: ArrayLike) -> NDArray[np.int32]:
        """Looks up the index of each value.

        Args:
            values: Integers or strings, whichever the vocabulary holds, of any shape.

        Returns:
            int32 of the same shape; 0 for what is not known, negative and huge integers included.

        Raises:
            ValueError: If the values are of another kind than the vocabulary's.
        """
        array = np.asarray(values)
        if array.size == 0 or not self.values:
            return np.zeros(array.shape, np.int32)
        holds_text = isinstance(self.values[0], str)
        if array.dtype.kind not in ("UO" if holds_text else "iuO"):
            raise ValueError(
                f"This vocabulary holds {'strings' if holds_text else 'integers'}. "
                f"Received: {array.dtype}. Convert the values first."
            )
        return (self._index.get_indexer(array.ravel()) + 1).astype(np.int32).reshape(array.shape)

    @cached_property
    def _index(self) -> Any:
        import pandas as pd

        return pd.Index(self.values)
