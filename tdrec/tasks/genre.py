"""Ratings of one genre: a student for it, with a teacher of all genres."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from tdrec.data import Holdout, Ratings, load, split_by_time
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.studies.metric import RMSE, Metric
from tdrec.studies.row import Data
from tdrec.studies.task import Session, Task
from tdrec.tasks import genre_report
from tdrec.tasks.ratings.config import PRESETS, RatingConfig


@dataclass(frozen=True)
class GenreTask(Task):
    """Predicts the ratings of one genre's movies.

    Args:
        genre: A genre of the data.
        source: Where the ratings are, as `tdrec.data.load` takes it.
        validation: Whether it knows the training rows alone, and evaluates on the latest of them.

    Example:
        >>> GenreTask("Drama", "simulated").data().name
        'simulated'
    """

    genre: str
    source: str
    validation: bool = False

    kind: ClassVar[str] = "genre"
    metric: ClassVar[Metric] = RMSE
    references: ClassVar[tuple[str, ...]] = ("bias", "teacher")
    presets: ClassVar[Mapping[str, RatingConfig]] = PRESETS

    @property
    def name(self) -> str:
        return self.genre

    @property
    def shared(self) -> tuple[str, bool]:
        return self.source, self.validation

    def data(self) -> Data:
        holdout, ratings = self.holdout(), ratings_of(self.source)
        if self.validation:
            ratings = _holdout(self.source, False).train
        begin = time.gmtime(holdout.cut)
        return Data(
            name=ratings.name,
            sha256=ratings.fingerprint,
            n_train=len(holdout.train),
            n_test=len(holdout.test),
            simulated=ratings.simulated,
            warnings=ratings.warnings,
            facts={
                "Evaluation rows begin at": time.strftime("%Y-%m-%d %H:%M:%S UTC", begin),
                "Rows tied at that time": f"{holdout.ties:,}",
                "Evaluation rows of users unseen in training": f"{holdout.cold_share:.1%}",
                "Evaluation rows of movies unseen in training": f"{holdout.unseen_movie_share:.1%}",
            },
        )

    def holdout(self) -> Holdout:
        """The rows of all genres to train and to evaluate on."""
        return _holdout(self.source, self.validation)

    def earlier(self) -> "GenreTask":
        return GenreTask(self.genre, self.source, validation=True)

    def teacher_file(self, config: RatingConfig) -> str:
        from tdrec.tasks.ratings.teacher_key import teacher_file

        return teacher_file(self.holdout().train, self.genre, config)

    def open(self, cache: Path) -> Session:
        from tdrec.tasks.ratings.session import RatingSession

        return RatingSession(self.holdout(), cache)

    parts = staticmethod(genre_report.parts)
    summary_parts = staticmethod(genre_report.summary_parts)
    means = staticmethod(genre_report.means)


@cache
def ratings_of(source: str) -> Ratings:
    """The ratings of a source, loaded once in a process."""
    return load(source)


@cache
def _holdout(source: str, validation: bool) -> Holdout:
    if validation:
        return split_by_time(_holdout(source, False).train, VALIDATION_FRACTION)
    return split_by_time(ratings_of(source))
