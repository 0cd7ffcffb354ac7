import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.data import DataError, split_by_time

timestamps = st.lists(st.integers(0, 12), min_size=2, max_size=60).filter(lambda t: len(set(t)) > 1)
fractions = st.floats(0.01, 0.99)


def rows_at(times):
    """Rows that differ by their user, who is numbered by position."""
    return [(position + 1, 10, 3.0, time) for position, time in enumerate(times)]


@given(times=timestamps, fraction=fractions)
def test_the_parts_partition_the_rows_in_order_of_time(make_ratings, times, fraction):
    holdout = split_by_time(make_ratings(rows_at(times)), fraction)
    joined = np.concatenate([holdout.train.user_ids, holdout.test.user_ids]) - 1
    # sorted() is stable, and so must the split be.
    assert joined.tolist() == sorted(range(len(times)), key=times.__getitem__)
    assert len(holdout.train) >= 1
    assert len(holdout.test) >= 1


@given(times=timestamps, fraction=fractions)
def test_no_training_row_is_as_late_as_a_test_row(make_ratings, times, fraction):
    holdout = split_by_time(make_ratings(rows_at(times)), fraction)
    assert holdout.train.timestamps.max() < holdout.cut == holdout.test.timestamps.min()
    assert holdout.ties == times.count(holdout.cut)


@given(
    times=st.lists(st.integers(0, 10**6), min_size=2, max_size=60, unique=True), fraction=fractions
)
def test_without_ties_the_sizes_are_those_asked_for(make_ratings, times, fraction):
    holdout = split_by_time(make_ratings(rows_at(times)), fraction)
    wanted = min(max(round(fraction * len(times)), 1), len(times) - 1)
    assert len(holdout.test) == wanted
    assert holdout.ties == 1


def test_tied_rows_go_to_the_test_part_together(make_ratings):
    holdout = split_by_time(make_ratings(rows_at([1, 2, 5, 5, 5, 9])), 0.4)
    assert (holdout.cut, holdout.ties) == (5, 3)
    assert holdout.train.user_ids.tolist() == [1, 2]


def test_ties_at_the_very_start_become_the_training_part(make_ratings):
    holdout = split_by_time(make_ratings(rows_at([1, 1, 1, 1, 9])), 0.5)
    assert len(holdout.train) == 4
    assert (holdout.cut, holdout.ties) == (9, 1)


def test_shares_of_new_users_and_movies(make_ratings):
    rows = [
        (1, 10, 3, 0),
        (2, 10, 3, 1),
        (1, 10, 3, 2),
        (3, 30, 3, 3),
        (1, 20, 3, 4),
        (4, 10, 3, 5),
    ]
    holdout = split_by_time(make_ratings(rows), 4 / 6)
    assert holdout.cold_share == 2 / 4
    assert holdout.unseen_item_share == 2 / 4


def test_a_validation_part_is_carved_from_the_training_part(make_ratings):
    holdout = split_by_time(make_ratings(rows_at(range(100))))
    inner = split_by_time(holdout.train)
    assert (len(inner.train), len(inner.test), len(holdout.test)) == (81, 9, 10)
    assert inner.test.timestamps.max() < holdout.cut


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fractions_outside_are_refused(make_ratings, fraction):
    with pytest.raises(ValueError, match=r"`test_fraction` must lie between 0 and 1"):
        split_by_time(make_ratings(rows_at([1, 2])), fraction)


@pytest.mark.parametrize("times", [[], [1]])
def test_too_few_rows_are_refused(make_ratings, times):
    with pytest.raises(
        DataError, match=f"at least two rows. Received: {len(times)} from 'invented'"
    ):
        split_by_time(make_ratings(rows_at(times)))


def test_a_single_timestamp_is_refused(make_ratings):
    with pytest.raises(DataError, match=r"Received: 3 rows, all of timestamp 7"):
        split_by_time(make_ratings(rows_at([7, 7, 7])))


def test_the_split_of_movielens_100k(movielens):
    holdout = split_by_time(movielens)
    assert (len(holdout.train), len(holdout.test)) == (90_000, 10_000)
    assert (holdout.cut, holdout.ties) == (891382309, 1)
    assert round(holdout.cold_share, 3) == 0.711
    assert round(holdout.unseen_item_share, 3) == 0.013
    train, test = holdout.train.genre_counts(), holdout.test.genre_counts()
    densest = sorted(train, key=train.__getitem__, reverse=True)[:8]
    assert {name: (train[name], test[name]) for name in densest} == {
        "Drama": (35771, 4124),
        "Comedy": (26898, 2934),
        "Action": (23120, 2469),
        "Thriller": (19648, 2224),
        "Romance": (17478, 1983),
        "Adventure": (12475, 1278),
        "Sci-Fi": (11527, 1203),
        "War": (8459, 939),
    }
    assert sum(count > 500 for count in test.values()) == 13
