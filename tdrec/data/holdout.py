"""Hold out rows: a recommender is trained on some rows and judged on others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from tdrec.data.error import DataError
from tdrec.data.interactions import Interactions
from tdrec.data.nearest import nearest

Rows = TypeVar("Rows", bound=Interactions)
By = Literal["time", "random", "user", "column"]

PARTS = ("train", "validation", "test")
"""What a column that says the parts holds."""


@dataclass(frozen=True, eq=False)
class Holdout(Generic[Rows]):
    """Two parts of a data set.

    Args:
        train: The rows to train on.
        test: The rows to evaluate on.
        cold_share: Share of the test rows whose user has no training row.
        unseen_item_share: Share of the test rows whose item has no training row.
        cut: Timestamp of the first test row, where rows are split by time.
        ties: How many rows have the timestamp `cut`; they are all in `test`.
    """

    train: Rows
    test: Rows
    cold_share: float
    unseen_item_share: float
    cut: int | None = None
    ties: int = 0

    @classmethod
    def of(cls, train: Rows, test: Rows, cut: int | None = None, ties: int = 0) -> Holdout[Rows]:
        """Two parts, and what is known about them.

        Where the data have no scale, both parts get that of the training rows.

        Raises:
            DataError: If no training row has a weight above 0.
        """
        if train.weights is not None and len(train) and not train.weights.any():
            raise DataError(
                "Rows to train on must have a weight above 0. "
                f"Received: {len(train):,} of {train.name!r}, each of weight 0."
            )
        if train.scale is None and len(train):
            scale = (float(train.values.min()), float(train.values.max()))
            train, test = train.changed(scale=scale), test.changed(scale=scale)
        return cls(
            train,
            test,
            float(np.mean(~np.isin(test.user_ids, train.user_ids))),
            float(np.mean(~np.isin(test.item_ids, train.item_ids))),
            cut,
            ties,
        )


def split_by_time(
    ratings: Rows, test_fraction: float = 0.1, *, cut: int | None = None
) -> Holdout[Rows]:
    """Splits rows into the earlier and the later ones.

    The rows are sorted by timestamp, rows of one timestamp in the order in which they came. The row
    at position
    `N - round(test_fraction * N)` gives the cut, and every row of its timestamp is a test row, so
    that no training row is as late as any test row. Many rows of one timestamp thus make the test
    part larger than asked for. Only where the cut would leave no training row, the rows of the
    first timestamp are the training rows.

    The same function carves a validation part out of training rows.

    Args:
        ratings: N rows, at least two, of at least two different timestamps.
        test_fraction: Share of the rows to hold out, between 0 and 1.
        cut: Timestamp of the first test row, in place of a share. Default None.

    Returns:
        Both parts, neither of them empty, and what is known about the cut.

    Raises:
        ValueError: If `test_fraction` is not between 0 and 1.
        DataError: If the rows cannot be split.

    Example:
        >>> holdout = split_by_time(ratings)
        >>> validation = split_by_time(holdout.train)
        >>> len(holdout.train), len(holdout.test)
        (4972, 553)

    Source:
        "Talking Models" (arXiv 2310.03188), section 6.2: one global split of MovieLens by
        timestamp, 90% and 10%.
    """
    rows = _checked(ratings, test_fraction)
    if ratings.timestamps is None:
        raise DataError(
            f"A split by time needs a column of times. Received: {ratings.name!r} without. Name it "
            "(time=COLUMN), or split at random (--split=random)."
        )
    order = np.argsort(ratings.timestamps, kind="stable")
    times = ratings.timestamps[order]
    if times[0] == times[-1]:
        raise DataError(
            "A split by time needs rows of at least two different timestamps. "
            f"Received: {rows} rows, all of timestamp {times[0]}. Check the timestamp column."
        )
    if cut is not None:
        if not times[0] < cut <= times[-1]:
            raise DataError(
                f"A cut must leave rows before and after it, so it lies above {times[0]} and not "
                f"above {times[-1]}. Received: {cut}."
            )
        first = int(np.searchsorted(times, cut, side="left"))
    else:
        nominal = min(max(rows - round(test_fraction * rows), 1), rows - 1)
        first = int(np.searchsorted(times, times[nominal], side="left"))
        if first == 0:
            first = int(np.searchsorted(times, times[0], side="right"))
    found = int(times[first])
    ties = int(np.count_nonzero(times == found))
    train, test = ratings.take(order[:first]), ratings.take(order[first:])
    return Holdout.of(train, test, found, ties)


@dataclass(frozen=True)
class Split:
    """By which rule rows are held out, as plain data.

    Args:
        by: "time", the later rows; "random", rows drawn by a seed; "user", all rows of users drawn
            by a seed, who are thus cold; or "column", the rows that a column calls "test".
        train_fraction: Share of the rows, or of the users, to train on. Default 0.9.
        cut: Timestamp of the first row to evaluate on, in place of a share. Default None.
        seed: What is drawn by. Default 0.
        column: The column of parts. Default "".

    Raises:
        ValueError: If the share is not between 0 and 1, or something else has no meaning.

    Example:
        >>> Split.parse("random:0.8").train_fraction
        0.8
    """

    by: By = "time"
    train_fraction: float = 0.9
    cut: int | None = None
    seed: int = 0
    column: str = ""

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise ValueError(
                f"A split is by one of {', '.join(get_args(By))}. Received: {self.by!r}."
            )
        if (self.by == "column") != bool(self.column):
            raise ValueError(
                "A split by a column names it, and no other does. Received: "
                f"{self.column!r}, by {self.by}. Write column:NAME."
            )
        if self.cut is not None and self.by != "time":
            raise ValueError(f"A cut is of a split by time. Received: {self.cut}, by {self.by}.")
        if self.seed < 0:
            raise ValueError(f"A seed is not negative. Received: {self.seed}. The usual one is 0.")
        if not 0 < self.train_fraction < 1:
            raise ValueError(
                "A split's share of training rows must lie between 0 and 1, both excluded. "
                f"Received: {self.train_fraction:g}. The usual share is 0.9."
            )

    @classmethod
    def parse(cls, text: str) -> Split:
        """Reads what a command line says.

        Args:
            text: `"time"`, `"time:0.8"`, `"time:891382309"` (a timestamp, which is a whole
                number), `"random"`, `"random:0.8"`, `"random:0.8:7"` (a seed), the same of
                `"user"`, or `"column:NAME"`, whose values are "train", "test" and, if you like,
                "validation".

        Raises:
            ValueError: If it is none of these.
        """
        by, _, rest = text.strip().partition(":")
        if by == "column" and rest.strip():
            return cls("column", column=rest.strip())
        if by == "time" and re.fullmatch(r"\s*-?\d+\s*", rest, re.ASCII):
            return cls("time", cut=int(rest))
        share = r"\s*((?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)\s*"
        seed = r"(?::\s*(\d+)\s*)?" if by != "time" else "()"
        found = re.fullmatch(f"(?:{share}{seed})?", rest, re.ASCII)
        is_open = ":" in text and not rest
        if by not in ("time", "random", "user") or not found or is_open:
            raise ValueError(
                "A split is time, time:0.9, time:TIMESTAMP, random, random:0.9, random:0.9:SEED, "
                f"user (as random), or column:NAME. Received: {text!r}. {nearest(by, get_args(By))}"
            )
        return cls(by, float(found[1] or 0.9), seed=int(found[2] or 0))  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """What `parse` reads it from."""
        if self.by == "column":
            return f"column:{self.column}"
        if self.cut is not None:
            return f"time:{self.cut}"
        seed = f":{self.seed}" if self.by != "time" and self.seed else ""
        return f"{self.by}:{self.train_fraction!r}{seed}"

    @classmethod
    def usual(cls, data: Interactions) -> Split:
        """By time where rows have times, else at random."""
        return cls("time" if data.timestamps is not None else "random")

    def __call__(self, data: Rows) -> Holdout[Rows]:
        """Splits rows.

        Raises:
            DataError: If the rows cannot be split by it.
        """
        if self.by == "time":
            return split_by_time(data, _rest(self.train_fraction), cut=self.cut)
        if self.by == "column":
            return _held_out(data, self._parts(data) == "test")
        return self._drawn(data, _rest(self.train_fraction), self.seed)

    def validation(self, train: Rows, fraction: float, until: float = 1.0) -> Holdout[Rows]:
        """Splits training rows once more by the same rule.

        By a column: the rows that it calls "validation", and if there are none, by time or at
        random.

        Args:
            train: Training rows.
            fraction: Share of them to hold out.
            until: Share of them, the earliest, that there are at all: with several of these a
                method is judged at several points of time (a rolling origin). Default 1: all.

        Raises:
            DataError: If the rows cannot be split by it, or are not split by time and `until` is
                below 1.

        Source:
            Tashman, "Out-of-sample tests of forecasting accuracy", 2000, for rolling origins.
        """
        if until != 1.0:
            if self.by != "time" or not fraction < until < 1:
                raise DataError(
                    "Rows that are split by time can be cut at an earlier time, after more rows "
                    f"than are held out. Received: {until:g} of them, of which {fraction:g} are "
                    f"held out, and --split={self.text}. Leave out --cuts."
                )
            earlier = split_by_time(train, 1 - until).train
            return split_by_time(earlier, fraction / until)
        if self.by == "time":
            return split_by_time(train, fraction)
        if self.by == "column":
            held_out = self._parts(train) == "validation"
            if held_out.any():
                return _held_out(train, held_out)
            return replace(Split.usual(train), train_fraction=1 - fraction)(train)
        return self._drawn(train, fraction, self.seed + 1)

    def _drawn(self, data: Rows, fraction: float, seed: int) -> Holdout[Rows]:
        rows = _checked(data, fraction)
        random = np.random.default_rng(seed)
        if self.by == "random":
            drawn = np.zeros(rows, bool)
            drawn[random.permutation(rows)[: min(max(round(fraction * rows), 1), rows - 1)]] = True
            return _held_out(data, drawn)
        users = np.unique(data.user_ids)
        if users.size < 2:
            raise DataError(
                f"A split by user needs at least two users. Received: {users.size} in "
                f"{data.name!r}. Split at random: --split=random."
            )
        count = min(max(round(fraction * users.size), 1), users.size - 1)
        return _held_out(data, np.isin(data.user_ids, random.permutation(users)[:count]))

    def _parts(self, data: Interactions) -> NDArray[np.str_]:
        column = data.parts
        if column is None:
            raise DataError(
                f"A split by a column is of a table of one's own. Received: {data.name!r}, of "
                f"which {self.column!r} was not read. Split by another rule, such as time."
            )
        values = np.array([*column.values, ""])[column.codes]
        wrong = ~np.isin(values, PARTS)
        if wrong.any():
            raise DataError(
                f"The column of a split holds {', '.join(PARTS)}. Received: "
                f"{str(values[wrong][0])!r} in {self.column!r}, {int(wrong.sum()):,} rows of "
                "other values. Correct it, or split by another rule."
            )
        return values


def _rest(share: float) -> float:
    """What is left of 1, without what rounding adds: 0.1 of 0.9."""
    return round(1 - share, 12)


def _held_out(data: Rows, test: NDArray[np.bool_]) -> Holdout[Rows]:
    if test.all() or not test.any():
        raise DataError(
            "A split needs rows to train on and rows to evaluate on. "
            f"Received: {int((~test).sum()):,} and {int(test.sum()):,} of {data.name!r}."
        )
    return Holdout.of(data.take(~test), data.take(test))


def _checked(data: Interactions, test_fraction: float) -> int:
    if not 0.0 < test_fraction < 1.0:
        raise ValueError(
            f"`test_fraction` must lie between 0 and 1, both excluded. Received: {test_fraction}. "
            "The usual share is 0.1."
        )
    if len(data) < 2:
        raise DataError(
            f"A split needs at least two rows. Received: {len(data)} from {data.name!r}. "
            "Choose a genre or a data set with more ratings."
        )
    return len(data)
