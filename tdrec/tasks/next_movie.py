"""The next movie of one genre: a small student for it, with a teacher of all genres."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from tdrec.data import Holdout, Interactions
from tdrec.data.table_source import TableSource
from tdrec.studies.arm import Arm
from tdrec.studies.keys import code_version, key_of
from tdrec.studies.metric import Metric
from tdrec.studies.task import Session
from tdrec.tasks import next_movie_report
from tdrec.tasks.segment import SegmentTask
from tdrec.tasks.sequences.config import NEXT_MOVIE, PRESETS
from tdrec.tasks.sequences.evaluation import NDCG

_TEACHER_CODE = (
    *("data", "models/sequence_transformer.py", "distill/teacher_targets.py"),
    *("tasks/distilled.py", "tasks/sequences/events.py", "tasks/sequences/training.py"),
)
"""What makes a teacher."""


@dataclass(frozen=True)
class NextMovieTask(SegmentTask):
    """Predicts which movie of a genre a user sees next.

    A student learns, and is judged by, events of its genre alone. Its history holds the events up
    to then of all movies that training rows know, of every genre: a service that asks it knows them
    all, most users have few events of one genre, and so its states are of the same places as the
    teacher's, which they are compared with.

    Rows are held out by time, and weights are learned of the earlier ones alone. Of a binary target
    what was seen are the rows of 1.

    Args:
        segment: A genre of the data.
        source: Where the rows are, with times.
        validation: Whether it knows the training rows alone, and evaluates on the latest of them.
        split: By which rule rows are held out. Default None: by time.
        until: Of a validation, the share of the training rows that there are. Default 1.

    Example:
        >>> NextMovieTask("War", "simulated").family
        'next_movie'
    """

    family: ClassVar[str] = NEXT_MOVIE
    references: ClassVar[tuple[str, ...]] = (
        *("popularity", "item_knn", "without_blocks", "teacher"),
    )
    presets: ClassVar[Any] = PRESETS

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "segment" if isinstance(self.source, TableSource) else "genre"

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        return NDCG

    def left_out(self, arm: Arm) -> str:
        if arm.trusts:
            return (
                "A teacher is trusted by the labels of an item's rows, and here they are one item."
            )
        return ""

    def holdout(self) -> Holdout[Interactions]:
        holdout = super().holdout()
        if holdout.train.target != "binary":
            return holdout
        train, test = (part.take(part.values > 0) for part in (holdout.train, holdout.test))
        return replace(holdout, train=train, test=test)

    def fitted(self, config: Any) -> Any:
        return config.fitted(len(self.holdout().train))

    def teacher_file(self, config: Any) -> str:
        train = self.holdout().train
        own = [asdict(config.teacher), config.length, config.ties, code_version(*_TEACHER_CODE)]
        return f"sequence-teacher-{key_of(train.fingerprint, self.rule.text, own)}.keras"

    def open(self, cache: Path) -> Session:
        from tdrec.tasks.sequences.session import NextMovieSession

        return NextMovieSession(self.holdout(), cache)

    parts = staticmethod(next_movie_report.parts)
