import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.data.unrated import unrated_pairs

PAIRS = st.tuples(st.integers(1, 6), st.sampled_from([7, 10, 20, 30]))


def pairs_of(ratings):
    return list(zip(ratings.user_ids.tolist(), ratings.movie_ids.tolist(), strict=True))


@given(st.lists(PAIRS), st.integers(0, 30))
def test_all_pairs_are_different_and_unrated(make_ratings, rated, number):
    ratings = make_ratings([(user, movie, 3.0, 100) for user, movie in rated])
    users, movies = ({pair[i] for pair in rated} for i in (0, 1))
    unrated = {(user, movie) for user in users for movie in movies} - set(rated)
    found = pairs_of(unrated_pairs(ratings, number))
    assert len(found) == len(set(found)) == min(number, len(unrated))
    assert set(found) <= unrated
    assert found == pairs_of(unrated_pairs(ratings, number))


def test_all_pairs_are_equally_likely(make_ratings):
    rows = [(user, movie, 3.0, 100) for user in range(1, 2001) for movie in (7, 10)]
    rows += [(1, 20, 3.0, 100), (1, 30, 3.0, 100)]
    found = unrated_pairs(make_ratings(rows), 1000)
    # Of 3,998 pairs a quarter: about as many of each movie, and users all over.
    counts = [np.sum(found.movie_ids == movie) for movie in (20, 30)]
    assert sum(counts) == 1000 and abs(counts[0] - 500) < 5 * np.sqrt(250)
    assert abs(found.user_ids.mean() - 1000) < 5 * 577 / np.sqrt(1000)
    assert found.movies is not None and len(found.of_genre("War")) == counts[0]


def test_a_negative_number_is_refused(make_ratings):
    with pytest.raises(ValueError, match="must not be negative. Received: -1"):
        unrated_pairs(make_ratings([(1, 7, 3.0, 100)]), -1)
