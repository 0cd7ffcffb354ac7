"""Genres: which of them are asked for, and whether the data have enough rows of each."""

from collections.abc import Sequence

from tdrec.cli.options import AUTO, UsageError, names_in
from tdrec.data import Ratings, split_by_time
from tdrec.studies.config import VALIDATION_FRACTION

KNOWN_GENRES = (
    *("Action", "Adventure", "Animation", "Children", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "IMAX", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "Unknown", "War", "Western", "unknown"),
)
"""The genres of all MovieLens data sets: any other word is refused before data are looked for."""

MIN_TEST_ROWS = 20
"""Evaluation rows below which a genre's RMSE says nothing."""

DENSE_TEST_ROWS = 500
"""`--genre=all` takes the genres with more evaluation rows than this, as the paper does."""


def check_genres(text: str) -> None:
    """Refuses what is no genre of any MovieLens data set.

    Args:
        text: Genres, separated by commas, or `"top8"` or `"all"`.

    Raises:
        UsageError: If one is not known.
    """
    _check_among(() if text in ("all", "top8") else names_in(text), KNOWN_GENRES)


def find_genres(text: str, ratings: Ratings) -> tuple[str, ...]:
    """The genres that were asked for, in the order of their training rows.

    Args:
        text: Genres, separated by commas, or `"top8"` or `"all"` of those that are dense enough.
        ratings: The data.

    Raises:
        UsageError: If one is not in these data, or has too few rows to be evaluated.
    """
    holdout = split_by_time(ratings)
    train, test = holdout.train.genre_counts(), holdout.test.genre_counts()
    by_density = sorted(train, key=lambda g: (-train[g], g))
    if text in ("all", "top8"):
        dense = [g for g in by_density if test[g] > DENSE_TEST_ROWS]
        names = dense[:8] if text == "top8" else dense
        if not names:
            raise UsageError(
                f"--genre={text} takes genres with more than {DENSE_TEST_ROWS} evaluation rows. "
                f"Received: data whose largest has {max(test.values())}. Name the genres."
            )
        return tuple(names)
    asked = names_in(text)
    _check_among(asked, by_density)
    for name in asked:
        if test[name] < MIN_TEST_ROWS or not train[name]:
            usable = [g for g in by_density if test[g] >= MIN_TEST_ROWS and train[g]]
            raise UsageError(
                f"A genre needs {MIN_TEST_ROWS} evaluation rows and a training row. Received: "
                f"{name!r} with {test[name]} and {train[name]}. Large enough: {', '.join(usable)}."
            )
    return tuple(g for g in by_density if g in asked)


def check_validation_rows(genres: Sequence[str], ratings: Ratings) -> None:
    """Refuses to judge methods for a genre on too few rows.

    Args:
        genres: The genres.
        ratings: The data, from whose training rows those to validate on are carved.

    Raises:
        UsageError: If a genre has too few.
    """
    earlier = split_by_time(split_by_time(ratings).train, VALIDATION_FRACTION)
    train, validation = earlier.train.genre_counts(), earlier.test.genre_counts()
    for genre in genres:
        if validation[genre] < MIN_TEST_ROWS or not train[genre]:
            raise UsageError(
                f"--method={AUTO} and --validation need {MIN_TEST_ROWS} validation rows of a "
                f"genre, and training rows before them. Received: {genre!r} with "
                f"{validation[genre]} and {train[genre]}. Name a method, or another genre."
            )


def _check_among(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(
                f"--genre must name {', '.join(known)}, 'top8' or 'all'. Received: {name!r}."
            )
