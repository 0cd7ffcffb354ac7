"""What a teacher is trained on, and the file that it is kept in; known without TensorFlow."""

from dataclasses import asdict

from tdrec.data import Interactions, Split
from tdrec.studies.keys import code_version, key_of
from tdrec.tasks.ratings.config import RatingConfig

_CODE = (
    *("data", "models/rating_mlp.py", "models/id_dropout.py", "distill/teacher_targets.py"),
    *("tasks/ratings/teacher.py", "tasks/ratings/evaluation.py", "tasks/distilled.py"),
)
"""What makes a teacher."""


def teacher_rows(train: Interactions, segment: str, config: RatingConfig) -> Interactions:
    """What the teacher of a segment's students is trained on.

    Args:
        train: The training rows of all segments.
        segment: The students'.
        config: Says whether the teacher sees the segment.
    """
    if config.teacher.rows == "all":
        return train
    return train.take(~train.in_segment(segment))


def teacher_file(train: Interactions, segment: str, config: RatingConfig, split: Split) -> str:
    """The name of the teacher's file: a hash of its rows, its configuration and the code."""
    rows = teacher_rows(train, segment, config).fingerprint
    by = split.text if split != Split() else None
    made_of = (rows, by, asdict(config.teacher), code_version(*_CODE))
    return f"teacher-{key_of(*made_of)}.keras"
