import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.data import DataError, Movies, Ratings

ROWS = [(1, 10, 4.0, 100), (2, 30, 1.0, 90), (1, 7, 5.0, 80), (3, 20, 2.5, 70)]
rows = st.lists(
    st.tuples(
        st.integers(1, 9), st.sampled_from([7, 10, 20, 30]), st.integers(1, 5), st.integers(0, 99)
    ),
    max_size=30,
)


def test_columns_have_their_types_and_cannot_be_written_to(make_ratings):
    ratings = make_ratings(ROWS, values=[4, 1, 5, 2], user_ids=np.array([1, 2, 1, 3], np.uint8))
    assert ratings.user_ids.dtype == ratings.movie_ids.dtype == ratings.timestamps.dtype == np.int64
    assert ratings.values.dtype == np.float32
    for name in ("user_ids", "movie_ids", "values", "timestamps", "movie_rows"):
        with pytest.raises(ValueError, match=r"read-only"):
            getattr(ratings, name)[0] = 1
    with pytest.raises(ValueError, match=r"read-only"):
        ratings.movies.genres[0, 0] = False
    with pytest.raises(dataclasses.FrozenInstanceError):
        ratings.name = "other"


def test_changing_the_callers_array_changes_nothing(make_ratings):
    mine = np.array([1, 2, 1, 3])
    view = mine[:]
    view.setflags(write=False)
    for given_array in (mine, view):
        ratings = make_ratings(ROWS, user_ids=given_array)
        before = ratings.user_ids.tolist()
        mine[0] += 1
        assert ratings.user_ids.tolist() == before
        mine[0] -= 1


def test_what_shows_its_own_array_keeps_it(make_ratings):
    class Column:
        values = np.array([1, 2, 1, 3])

        def __array__(self, dtype=None, copy=None):
            return self.values

    ratings = make_ratings(ROWS, user_ids=Column())
    Column.values[0] = 9
    assert ratings.user_ids.tolist() == [1, 2, 1, 3]


def test_sealed_arrays_are_shared_not_copied(make_ratings):
    first = make_ratings(ROWS)
    second = first.changed(name="again")
    assert second.values is first.values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamps": np.array([1.0, 2.0, 3.0, 4.0])}, r"`timestamps` must be whole.*float64"),
        ({"user_ids": np.array(["a", "b", "c", "d"])}, "`user_ids` must be whole numbers"),
        ({"user_ids": np.array([True, True, True, True])}, "`user_ids` must be whole.*bool"),
        ({"user_ids": np.ones((4, 1), int)}, r"`user_ids` must be 1-D.*\(4, 1\)"),
        ({"values": np.ones((4, 1))}, r"`values` must be 1-D.*\(4, 1\)"),
        ({"values": np.array(["1", "2", "3", "4"])}, "`values` must be numbers"),
        ({"user_ids": np.array([1, 2])}, "one entry for each row.*'user_ids': 2"),
        ({"user_ids": np.array([1, 0, 2, 3])}, "`user_ids` must be positive. Received: 0 at row 1"),
        ({"movie_ids": np.array([10, 30, 7, -2])}, "`movie_ids` must be positive. Received: -2"),
        ({"movie_ids": np.array([10, 30, 99, 7])}, "movie id 99 at row 2"),
        ({"values": np.array([1.0, 2.0, np.nan, 3.0])}, "finite.*nan at row 2"),
        ({"values": np.array([1.0, np.inf, 2.0, 3.0])}, "finite.*inf at row 1"),
        ({"values": np.array([1.0, 2.0, 3.0, 5.5])}, "scale 1 to 5. Received: 5.5 at row 3"),
        ({"scale": (5.0, 1.0)}, "`scale` must be"),
        ({"scale": (1.0, np.inf)}, "`scale` must be"),
        ({"scale": (1.0,)}, "`scale` must be"),
    ],
)
def test_broken_rules_are_refused(make_ratings, changes, message):
    with pytest.raises(DataError, match=message):
        make_ratings(ROWS, **changes)


def test_a_rating_that_float32_rounds_down_is_within_the_scale(make_ratings):
    ratings = make_ratings(ROWS, values=np.full(4, 0.7), scale=(0.7, 5.0))
    assert len(ratings.take([0])) == 1  # checked again, now as float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": [1, 1]}, "unique. Received: 1"),
        ({"ids": [0, 1]}, "positive. Received: 0"),
        ({"ids": [1.0, 2.0]}, "whole numbers"),
        ({"titles": ("A",)}, "one string for each of the 2 ids"),
        ({"titles": ("A", 3)}, "one string for each of the 2 ids"),
        ({"genre_names": ("Drama", "Drama")}, "different"),
        ({"genre_names": ("", "War")}, "non-empty"),
        ({"genres": [[True], [False]]}, r"shape \[2 movies, 2 genres\].*\(2, 1\)"),
        ({"genres": [[1, 0], [0, 1]]}, "bool array.*int64"),
    ],
)
def test_broken_catalogues_are_refused(changes, message):
    fields = {
        "ids": [1, 2],
        "titles": ("A", "B"),
        "genres": [[True, False], [False, True]],
        "genre_names": ("Drama", "War"),
    }
    with pytest.raises(DataError, match=message):
        Movies(**{**fields, **changes})


def test_rows_of_movies(movies):
    assert movies.rows([7, 10, 7, 20, 30]).tolist() == [3, 0, 3, 2, 1]
    assert movies.rows([]).tolist() == []
    with pytest.raises(DataError, match=r"catalogue of 4 movies. Received: movie id 8 at row 1"):
        movies.rows([7, 8])


@pytest.mark.parametrize("large", [31, 2**20, 2**62])
def test_rows_of_movies_whatever_their_ids(large):
    movies = Movies([large, 7], ("a", "b"), [[], []], ())
    assert movies.rows([7, large, 7]).tolist() == [1, 0, 1]
    for unknown in (-1, 0, 8, large + 1, 2**63 - 1):
        with pytest.raises(DataError, match=f"Received: movie id {unknown} at row 1"):
            movies.rows([7, unknown, large])


def test_an_empty_catalogue_and_empty_ratings():
    movies = Movies([], (), [], ())
    assert len(movies) == 0
    with pytest.raises(DataError, match=r"catalogue of 0 movies"):
        movies.rows([1])
    ratings = Ratings([], [], [], [], movies, (1.0, 5.0), "nothing")
    assert len(ratings) == 0
    assert ratings.genre_counts() == {}
    assert len(ratings.take([])) == 0
    assert len(ratings.fingerprint) == 64


@given(rows=rows, data=st.data())
def test_take_selects_as_a_list_would(make_ratings, rows_of, rows, data):
    ratings = make_ratings(rows)
    index = data.draw(st.lists(st.integers(0, len(rows) - 1))) if rows else []
    assert rows_of(ratings.take(index)) == [rows[i] for i in index]
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    expected = [row for row, chosen in zip(rows, mask, strict=True) if chosen]
    assert rows_of(ratings.take(np.array(mask, bool))) == expected


def test_take_keeps_what_is_known_about_the_data(make_ratings):
    taken = make_ratings(ROWS, warnings=("careful",)).take([2])
    assert (taken.warnings, taken.name, taken.scale) == (("careful",), "invented", (1.0, 5.0))


@pytest.mark.parametrize("wrong", [[9], [True], [[0]], [0.5], 3])
def test_take_refuses_what_is_no_selection(make_ratings, wrong):
    with pytest.raises(IndexError):
        make_ratings(ROWS).take(wrong)


@given(rows=rows)
def test_genres_overlap_and_agree_with_their_counts(make_ratings, rows_of, rows):
    genres = {10: {"Drama"}, 30: {"Drama", "Comedy"}, 20: {"Comedy", "War"}, 7: set()}
    ratings = make_ratings(rows)
    for name, count in ratings.genre_counts().items():
        expected = [row for row in rows if name in genres[row[1]]]
        assert rows_of(ratings.of_genre(name)) == expected
        assert count == len(expected)


def test_unknown_genre_lists_the_known_ones(make_ratings):
    with pytest.raises(ValueError, match=r"Received: 'drama'. Choose from: Drama, Comedy, War"):
        make_ratings(ROWS).of_genre("drama")


def test_fingerprint_ignores_layout_name_and_warnings(make_ratings):
    wide = np.array([[1, 0], [2, 0], [1, 0], [3, 0]])
    other = make_ratings(
        ROWS,
        user_ids=wide[:, 0],
        timestamps=np.array([100, 90, 80, 70], ">i4"),
        values=np.array([4, 1, 5, 2.5], np.float64),
        name="other",
        warnings=("careful",),
    )
    assert other.fingerprint == make_ratings(ROWS).fingerprint


def test_fingerprint_is_the_same_in_every_version(make_ratings):
    # A change of this value breaks every cache that is keyed by it.
    expected = "9973e6fa6ad9c6576ca537370ac03e5881d9b9b179e6a3b81bdff07b50358faa"
    assert make_ratings(ROWS).fingerprint == expected


def test_fingerprint_sees_every_change(make_ratings, movies):
    ratings = make_ratings(ROWS)
    fields = {name: getattr(movies, name) for name in ("ids", "titles", "genres", "genre_names")}
    flags = movies.genres.copy()
    flags[0, 0] = False
    variants = [
        ratings,
        ratings.take([1, 0, 2, 3]),
        ratings.take([0, 1, 2]),
        make_ratings(ROWS, user_ids=[1, 2, 1, 4]),
        make_ratings(ROWS, movie_ids=[10, 30, 7, 10]),
        make_ratings(ROWS, values=[4, 1, 5, 3]),
        make_ratings(ROWS, timestamps=[100, 90, 80, 71]),
        *(
            make_ratings(ROWS, movies=Movies(**{**fields, **changes}))
            for changes in (
                {"titles": ("Red Kite (1990)", *movies.titles[1:])},
                {"genres": flags},
                {"genre_names": ("Drama", "Comedy", "Wars")},
            )
        ),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
