"""Interactions: what users thought of items or did with them, as a checked type.

It is what every loader returns and every later step reads.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tdrec.data.columns import (
    Categories,
    Column,
    Labels,
    digest_parts,
    numbers_of,
    sealed,
    whole_numbers,
)
from tdrec.data.error import DataError
from tdrec.data.items import Items

Target = Literal["regression", "binary"]
"""What is predicted: a number, or whether something happens (1) or not (0)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Interactions:
    """Rows of a user, an item and what came of it, with what is known of both.

    Whoever holds one may rely on the rules below: they are checked when it is made, and the arrays
    cannot be written to afterwards. It may be empty, as a segment that nobody belongs to is.

    Args:
        user_ids: Who, int64 of shape `(rows,)`.
        item_ids: What, each in `items`, int64 of shape `(rows,)`.
        values: The target: a finite number, or 0 and 1; float32 of shape `(rows,)`.
        items: The catalogue.
        segment_column: The column, of the rows or of the items, that says which segments a row
            belongs to: `Categories` or `Labels`.
        timestamps: When, in whole seconds since 1970, int64 of shape `(rows,)`. Default None: that
            is not known.
        weights: How much a row counts in training, float32 of shape `(rows,)`, not negative.
            Default None: each as much.
        columns: What else is known of the rows, by name, which is none of `names`.
        parts: "train", "validation" or "test" of each row, where the data say so. Default None.
        user_names: What stands for a user's id where users are known by words, as in `Items`.
        scale: What predictions are clipped to. Default None: to be taken from training rows.
        unit: What `values` and `scale` are multiples of; see `in_units`. Default 1.
        target: What is predicted. Default "regression".
        names: What the user's and the item's id are called as inputs of a model.
        name: What the data are, for reports.
        warnings: What a reader of the results must know about the data, one sentence each.
        notes: What was read and what was left out, by the name of the fact.
        simulated: Whether they are generated, and say nothing of real data.

    Raises:
        DataError: If a rule is broken.

    Example:
        >>> shops = Categories.of(["NL", "BE", "NL"])
        >>> rows = {"user_ids": [1, 2, 1], "item_ids": [7, 7, 9], "values": [0, 1, 1]}
        >>> clicks = Interactions(
        ...     **rows, items=Items([7, 9]), columns={"shop": shops}, segment_column="shop"
        ... )
        >>> clicks.segment_counts()
        {'BE': 1, 'NL': 2}
    """

    user_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    values: NDArray[np.float32]
    items: Items
    segment_column: str
    timestamps: NDArray[np.int64] | None = None
    weights: NDArray[np.float32] | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    parts: Categories | None = None
    user_names: tuple[str, ...] | None = None
    scale: tuple[float, float] | None = None
    unit: float = 1.0
    target: Target = "regression"
    names: tuple[str, str] = ("user", "item")
    name: str = "interactions"
    warnings: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False

    def __post_init__(self) -> None:
        found: dict[str, Any] = {
            "user_ids": whole_numbers("user_ids", self.user_ids),
            "item_ids": whole_numbers("item_ids", self.item_ids),
            "values": numbers_of("values", self.values, "iufb", "numbers. Received: {}."),
        }
        if self.timestamps is not None:
            found["timestamps"] = whole_numbers("timestamps", self.timestamps)
        if self.weights is not None:
            found["weights"] = numbers_of("weights", self.weights, "iuf", "numbers. Received: {}.")
        _check_values(found["values"], self.target)
        if "weights" in found:
            _check_weights(found["weights"])
        for name in ("values", "weights"):
            if name in found:
                found[name] = found[name].astype(np.float32, copy=False)
        if same := [name for name in self.names if name in (*self.columns, *self.items.columns)]:
            raise DataError(
                f"A column must not be called as the {same[0]}'s id is. Received: {same[0]!r} "
                "among the columns. Rename it."
            )
        parts = {} if self.parts is None else {"parts": self.parts}
        lengths = {name: len(x) for name, x in {**found, **self.columns, **parts}.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"All columns must have one entry for each row. Received: {lengths}.")
        if both := sorted(set(self.columns) & set(self.items.columns)):
            raise DataError(
                f"A column must be of the rows or of the items. Received: {both[0]!r} in both. "
                "Rename one of them."
            )
        of = {**self.columns, **self.items.columns}.get(self.segment_column)
        if not isinstance(of, Categories | Labels):
            raise DataError(
                "`segment_column` must name a column of categories or labels. Received: "
                f"{self.segment_column!r}. Choose from: {', '.join(self._segment_columns())}."
            )
        for name, column in found.items():
            object.__setattr__(self, name, sealed(column, getattr(self, name)))
        if self.scale is not None:
            object.__setattr__(self, "scale", (float(self.scale[0]), float(self.scale[1])))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        _ = self.item_rows  # raises where an item is not in the catalogue

    def __len__(self) -> int:
        return int(self.user_ids.size)

    @cached_property
    def item_rows(self) -> NDArray[np.int64]:
        """The position of each row's item in `items`: int64 of shape `(rows,)`."""
        return sealed(self.items.rows(self.item_ids))

    def changed(self, **changes: Any) -> Self:
        """The same with other values of some fields, checked anew."""
        other = self._copied()
        if not changes.keys().isdisjoint({"items", "item_ids"}):
            other.__dict__.pop("item_rows", None)
        for name, value in changes.items():
            object.__setattr__(other, name, value)
        other.__post_init__()
        return other

    def take(self, index_or_mask: ArrayLike) -> Self:
        """Selects rows.

        Args:
            index_or_mask: Integer positions in the order wanted, or a bool mask of shape `(rows,)`.

        Returns:
            The rows with the same catalogue, name and warnings.

        Raises:
            IndexError: If a position is outside the rows or the mask has another length.
        """
        chosen = np.asarray(index_or_mask)
        if chosen.size == 0 and chosen.dtype != bool:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
            raise IndexError(
                "Rows are selected by a 1-D array of integers or a bool mask. "
                f"Received: {chosen.dtype} of shape {chosen.shape}."
            )
        other = self._copied()
        # Rows of what was checked need no check, which would look all items up once more.
        for name in ("user_ids", "item_ids", "values", "timestamps", "weights", "item_rows"):
            if (array := getattr(self, name)) is not None:
                other.__dict__[name] = sealed(array[chosen])
        other.__dict__["columns"] = {name: c.take(chosen) for name, c in self.columns.items()}
        other.__dict__["parts"] = None if self.parts is None else self.parts.take(chosen)
        return other

    def _copied(self) -> Self:
        """A copy without what was derived of the rows, but for `item_rows`."""
        other = copy.copy(self)
        for name in ("fingerprint", "_segment_counts"):
            other.__dict__.pop(name, None)
        return other

    def of_rows(self, column: str) -> Column:
        """A column of the rows, or of the item of each row."""
        if column in self.columns:
            return self.columns[column]
        found: Column = self.items.columns[column].take(self.item_rows)
        return found

    # Segments ------------------------------------------------------------------------------

    @property
    def segment_names(self) -> tuple[str, ...]:
        """The segments of the data, whether they have rows or not."""
        return self._segments.names

    def in_segment(self, name: str) -> NDArray[np.bool_]:
        """Which rows belong to a segment, whatever others they belong to.

        Raises:
            ValueError: If there is no segment of that name.
        """
        if name not in self.segment_names:
            raise ValueError(
                f"The {self.segment_noun} must be one of the catalogue's. Received: {name!r}. "
                f"Choose from: {', '.join(self.segment_names)}."
            )
        found = self._segments.has(name)
        return found if self.segment_column in self.columns else found[self.item_rows]

    def of_segment(self, name: str) -> Self:
        """Selects the rows of a segment, whatever others they belong to.

        Raises:
            ValueError: If there is no segment of that name.
        """
        return self.take(self.in_segment(name))

    def segment_counts(self) -> dict[str, int]:
        """Counts the rows of each segment. A row of two segments counts for both."""
        return dict(self._segment_counts)

    @cached_property
    def _segment_counts(self) -> dict[str, int]:
        is_own = self.segment_column in self.columns
        counts = self._segments.counts(None if is_own else self.item_rows)
        return {name: int(n) for name, n in zip(self.segment_names, counts, strict=True)}

    @property
    def segment_noun(self) -> str:
        """What messages call a segment."""
        return "genre" if self.names[1] == "movie" else "segment"

    @property
    def _segments(self) -> Categories | Labels:
        column: Any = {**self.items.columns, **self.columns}[self.segment_column]
        return column

    def _segment_columns(self) -> list[str]:
        columns = {**self.columns, **self.items.columns}
        return [name for name, c in columns.items() if isinstance(c, Categories | Labels)] or ["-"]

    # Scale ---------------------------------------------------------------------------------

    def in_units(self, unit: float) -> Self:
        """The same with values in multiples of a unit, which is a power of two so that none is
        rounded.

        Whatever the target's own unit, stars or cents, a model then learns numbers of about one
        size, and the weights of losses mean the same.
        """
        if unit == self.unit:
            return self
        factor = self.unit / unit
        scale = self.scale and (self.scale[0] * factor, self.scale[1] * factor)
        values = self.values * np.float64(factor)  # which may be no number of 32 bits
        return self.changed(values=values, scale=scale, unit=unit)

    def own_unit(self) -> float:
        """The power of two nearest to the standard deviation of the values; 1 of a binary target.

        Of MovieLens, whose ratings deviate by 1.1 stars, it is 1.
        """
        spread = float(self.values.std(dtype=np.float64)) * self.unit if len(self) else 0.0
        if self.target == "binary" or not spread > 0:
            return 1.0
        return float(2.0 ** round(np.log2(spread)))

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 of the rows, in their order, and the catalogue, as 64 hexadecimal digits.

        The same data give the same fingerprint on every machine; names and warnings do not count.
        """
        digest = hashlib.sha256()
        for part in digest_parts(self._parts()):
            digest.update(part)
        return digest.hexdigest()

    def _parts(self) -> list[Any]:
        """What the fingerprint is of."""
        facts = [self.segment_column, self.target, self.scale, self.unit]
        names = [self.user_names, self.items.names]
        arrays = [self.items.ids, self.user_ids, self.item_ids, self.values]
        further = [array for array in (self.timestamps, self.weights) if array is not None]
        columns = [*self.items.columns.items(), *self.columns.items()]
        of_columns = [part for name, column in columns for part in (name, *column.parts())]
        return [
            facts,
            names,
            *arrays,
            *further,
            *of_columns,
            *(() if self.parts is None else self.parts.parts()),
        ]


def _check_values(values: NDArray[Any], target: Target) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = ~np.isfinite(values.astype(np.float32, copy=False))
    rule = "finite numbers of 32 bits"
    if target == "binary":
        wrong, rule = ~((values == 0) | (values == 1)), "0 or 1, as the target is binary"
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            f"`values` must be {rule}. Received: {values[first]} at row {first}. Drop the row."
        )


def _check_weights(weights: NDArray[Any]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        wrong = ~(np.isfinite(weights.astype(np.float32, copy=False)) & (weights >= 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            "`weights` must be finite numbers of 32 bits, and not negative. "
            f"Received: {weights[first]} at row {first}. Drop the row."
        )
