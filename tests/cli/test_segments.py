"""Which genres are asked for, and whether there are enough rows of each."""

import numpy as np
import pytest

from tdrec.cli import genres
from tdrec.cli.genres import check_genres, check_validation_rows, find_genres
from tdrec.cli.options import UsageError
from tdrec.data import load, split_by_time
from tdrec.studies.config import VALIDATION_FRACTION


def test_any_word_that_is_no_genre_is_refused():
    for text in ("all", "top8", "War, Drama", "Children's,Children"):
        check_genres(text)
    with pytest.raises(UsageError, match="--genre must name Action, .*Received: 'Golf'"):
        check_genres("War,Golf")


def test_a_genre_that_these_data_lack_is_refused(ratings):
    with pytest.raises(UsageError, match="--genre must name .*Received: 'IMAX'"):
        find_genres("IMAX", ratings)


def test_the_densest_genres_of_simulated_data():
    ratings = load("simulated")
    dense = find_genres("all", ratings)
    parts = split_by_time(ratings)
    test, train = parts.test.genre_counts(), parts.train.genre_counts()
    assert set(dense) == {genre for genre in test if test[genre] > 500}
    assert find_genres("top8", ratings) == tuple(sorted(dense, key=lambda g: -train[g])[:8])


def test_a_genre_that_is_too_small_is_refused_with_those_that_are_not(ratings):
    counts = split_by_time(ratings).test.genre_counts()
    small = min(counts, key=counts.get)
    assert counts[small] < genres.MIN_TEST_ROWS
    with pytest.raises(UsageError, match=f"'{small}' with {counts[small]} and .*Drama"):
        find_genres(f"Drama,{small}", ratings)
    with pytest.raises(UsageError, match="more than 500 evaluation rows. Received: data whose"):
        find_genres("all", ratings)


def test_genres_stand_in_the_order_of_their_rows(ratings):
    train = split_by_time(ratings).train.genre_counts()
    found = find_genres("War, Drama,War,Comedy", ratings)
    assert found == tuple(sorted(("Drama", "Comedy", "War"), key=lambda genre: -train[genre]))


def test_auto_needs_rows_to_validate_on(ratings):
    check_validation_rows(["War", "Drama"], ratings)
    few = ratings.take(np.arange(200))
    counts = [part.genre_counts()["War"] for part in reversed(earlier_parts(few))]
    message = (
        r"--method=auto and --validation need 20 validation rows .*Received: 'War' with {} and {}\."
    )
    with pytest.raises(UsageError, match=message.format(*counts)):
        check_validation_rows(["War"], few)


def earlier_parts(ratings):
    parts = split_by_time(split_by_time(ratings).train, VALIDATION_FRACTION)
    return parts.train, parts.test
