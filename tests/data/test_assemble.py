import numpy as np
import pytest

from tdrec.data.assemble import assemble
from tdrec.data.rating_table import RatingColumns


def build(movies, rows, warnings=()):
    user, movie, value, time = (np.array(column) for column in zip(*rows, strict=True))
    return assemble(
        RatingColumns(user, movie, value.astype(float), time),
        movies=movies,
        scale=(1.0, 5.0),
        name="invented",
        warnings=warnings,
        source="a.data",
    )


def test_repeated_rows_are_dropped_and_counted(movies, rows_of):
    rows = [
        (1, 10, 4, 5),
        (1, 10, 2, 5),
        (1, 10, 4, 6),
        (2, 10, 4, 5),
        (1, 20, 4, 5),
        (1, 10, 4, 5),
    ]
    ratings = build(movies, rows)
    assert rows_of(ratings) == [rows[0], rows[2], rows[3], rows[4]]
    assert ratings.warnings[0].startswith("REPEATED ROWS: 2 rows of a.data")


def test_movies_without_a_genre_are_counted(movies):
    ratings = build(movies, [(1, 10, 4, 5)], ["first"])
    assert ratings.warnings[0] == "first"
    assert ratings.warnings[1].startswith("NO GENRE: 1 of 4 movies")


def test_sound_data_carry_no_warning(movies):
    complete = type(movies)(movies.ids, movies.titles, np.ones((4, 3), bool), movies.genre_names)
    assert build(complete, [(1, 10, 4, 5), (1, 20, 4, 5)]).warnings == ()


@pytest.mark.parametrize("scale", [1, 2**60])  # pairs that are a number of 64 bits, and others
def test_repeated_rows_are_found_in_any_order(movies, rows_of, scale):
    random = np.random.default_rng(0)
    drawn = random.integers(1, 5, (300, 2)).tolist()
    rows = [(user * scale, 10, 4.0, time) for user, time in drawn]
    for given in (rows, rows[::-1], sorted(rows)):
        ratings = build(movies, given)
        assert rows_of(ratings) == list(dict.fromkeys(given))
        assert ratings.warnings[0].startswith(f"REPEATED ROWS: {300 - len(ratings)} rows")
