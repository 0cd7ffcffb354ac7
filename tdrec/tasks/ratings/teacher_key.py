"""What a teacher is trained on, and the file that it is kept in; known without TensorFlow."""

from dataclasses import asdict

from tdrec.data import Ratings
from tdrec.studies.keys import code_version, key_of
from tdrec.tasks.ratings.config import RatingConfig

_CODE = (
    *("data", "models/rating_mlp.py", "models/id_dropout.py", "distill/teacher_targets.py"),
    *("tasks/ratings/teacher.py", "tasks/ratings/evaluation.py", "tasks/distilled.py"),
)
"""What makes a teacher."""


def teacher_rows(train: Ratings, genre: str, config: RatingConfig) -> Ratings:
    """What the teacher of a genre's students is trained on.

    Args:
        train: The training rows of all genres.
        genre: The students'.
        config: Says whether the teacher sees the genre.
    """
    if config.teacher.rows == "all":
        return train
    column = train.movies.genre_names.index(genre)
    return train.take(~train.movies.genres[train.movie_rows, column])


def teacher_file(train: Ratings, genre: str, config: RatingConfig) -> str:
    """The name of the teacher's file: a hash of its rows, its configuration and the code."""
    rows = teacher_rows(train, genre, config).fingerprint
    return f"teacher-{key_of(rows, asdict(config.teacher), code_version(*_CODE))}.keras"
