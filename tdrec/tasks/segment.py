"""A segment of somebody's own rows: a student for it, with a teacher of all segments."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from tdrec.data import Holdout, Interactions, Split, load, read_table
from tdrec.data.summary import facts_of
from tdrec.data.table_source import TableSource
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.studies.metric import LOG_LOSS, RMSE, Metric
from tdrec.studies.row import Data
from tdrec.studies.task import Session, Task
from tdrec.tasks import segment_report
from tdrec.tasks.ratings.config import PRESETS, RatingConfig

Source = str | TableSource
"""Where rows are, as `tdrec.data.load` or `tdrec.data.read_table` takes it."""


CUTS = (0.6, 0.8, 1.0)
"""Shares of the training rows, each a validation of its own by which methods are chosen."""

MIN_TEST_ROWS = 20
"""Evaluation rows below which a segment's figure says nothing."""


@dataclass(frozen=True)
class SegmentTask(Task):
    """Predicts the targets of one segment's rows.

    Args:
        segment: A segment of the data.
        source: Where the rows are.
        validation: Whether it knows the training rows alone, and evaluates on some of them, which
            are held out by the same rule.
        split: By which rule rows are held out. Default None: the source's own, else by time where
            rows have times, or at random.
        until: Of a validation, the share of the training rows, the earliest, that there are; a
            fifth of all training rows is held out of them. Default 1.

    Example:
        >>> SegmentTask("Drama", "simulated").data().name
        'simulated'
    """

    segment: str
    source: Source
    validation: bool = False
    split: Split | None = None
    until: float = 1.0

    kind: ClassVar[str] = "segment"
    least_steps: ClassVar[int] = 0
    references: ClassVar[tuple[str, ...]] = ("bias", "teacher")
    presets: ClassVar[Mapping[str, RatingConfig]] = PRESETS

    @property
    def name(self) -> str:
        return self.segment if self.until == 1 else f"{self.segment} until {self.until:.0%}"

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        is_binary = isinstance(self.source, TableSource) and self.source.kind == "binary"
        return LOG_LOSS if is_binary else RMSE

    @property
    def earlier_rows(self) -> str:  # type: ignore[override]
        return "latest" if self.rule.by == "time" else "held-out"

    @property
    def rule(self) -> Split:
        """By which rule rows are held out."""
        return self.split or split_of(self.source)

    @property
    def shared(self) -> tuple[Source, Split, bool, float]:
        return self.source, self.rule, self.validation, self.until

    def data(self) -> Data:
        return _data(*self.shared)

    def holdout(self) -> Holdout[Interactions]:
        """The rows of all segments to train and to evaluate on, in units of their spread."""
        return holdout_of(*self.shared)

    def earlier(self) -> "SegmentTask":
        return replace(self, validation=True)

    def rolling(self) -> tuple["SegmentTask", ...]:
        if self.rule.by != "time":
            return (self.earlier(),)
        found = []
        for until in CUTS:
            task = replace(self.earlier(), until=until)
            holdout = task.holdout()
            counts = (part.segment_counts()[self.segment] for part in (holdout.train, holdout.test))
            if until == 1 or min(counts) >= MIN_TEST_ROWS:
                found.append(task)
        return tuple(found)

    def fitted(self, config: RatingConfig) -> RatingConfig:
        train = self.holdout().train
        return config.fitted(train.segment_counts()[self.segment], len(train), self.least_steps)

    def teacher_file(self, config: RatingConfig) -> str:
        from tdrec.tasks.ratings.teacher_key import teacher_file

        return teacher_file(self.holdout().train, self.segment, self.fitted(config), self.rule)

    def open(self, cache: Path) -> Session:
        from tdrec.tasks.ratings.session import RatingSession

        return RatingSession(self.holdout(), cache, self.rule)

    parts = staticmethod(segment_report.parts)
    summary_parts = staticmethod(segment_report.summary_parts)


def split_of(source: Source) -> Split:
    """How rows of a source are held out where nothing else is said."""
    if isinstance(source, TableSource):
        return source.split or Split("time" if source.time else "random")
    return Split()


@cache
def rows_of(source: Source) -> Interactions:
    """The rows of a source, loaded once in a process."""
    return read_table(source) if isinstance(source, TableSource) else load(source)


@cache
def holdout_of(
    source: Source, split: Split, validation: bool, until: float = 1.0
) -> Holdout[Interactions]:
    """The parts of a source, made once in a process.

    Args:
        source: Where the rows are.
        split: By which rule they are held out.
        validation: Whether of the training rows alone.
        until: Of these, the share that there are.
    """
    if not validation:
        holdout = split(rows_of(source))
    else:
        train = holdout_of(source, split, False).train
        holdout = split.validation(train, VALIDATION_FRACTION, until)
    unit = holdout.train.own_unit()
    return replace(holdout, train=holdout.train.in_units(unit), test=holdout.test.in_units(unit))


@cache
def _data(source: Source, split: Split, validation: bool, until: float) -> Data:
    holdout, rows = holdout_of(source, split, validation, until), rows_of(source)
    if validation:
        rows = holdout_of(source, split, False).train
    facts: dict[str, Any] = facts_of(rows, holdout, split)
    decides = rows.fingerprint
    parts = ([] if split == Split() else [split.text]) + ([] if until == 1 else [f"{until}"])
    if parts:  # rows of one split are not those of another
        decides = hashlib.sha256(" ".join([decides, *parts]).encode()).hexdigest()
    return Data(
        name=rows.name,
        sha256=decides,
        n_train=len(holdout.train),
        n_test=len(holdout.test),
        simulated=rows.simulated,
        warnings=rows.warnings,
        facts=facts,
    )
