"""Ratings of one genre of MovieLens: a student for it, with a teacher of all genres."""

from dataclasses import dataclass
from typing import ClassVar

from tdrec.tasks import genre_report
from tdrec.tasks.ratings.config import STEPS
from tdrec.tasks.segment import SegmentTask


@dataclass(frozen=True)
class GenreTask(SegmentTask):
    """Predicts the ratings of one genre's movies.

    Args:
        segment: A genre of the data.
        source: Where the ratings are, as `tdrec.data.load` takes it.
        validation: Whether it knows the training rows alone, and evaluates on the latest of them.
        split: By which rule rows are held out. Default None: by time.
        until: Of a validation, the share of the training rows that there are. Default 1.

    Example:
        >>> GenreTask("Drama", "simulated").data().name
        'simulated'
    """

    kind: ClassVar[str] = "genre"
    least_steps: ClassVar[int] = STEPS
    """However few rows a genre has: published figures are of students so trained."""

    parts = staticmethod(genre_report.parts)
    summary_parts = staticmethod(genre_report.summary_parts)
    means = staticmethod(genre_report.means)
