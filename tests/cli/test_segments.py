"""Which segments are asked for, and whether there are enough rows of each."""

import numpy as np
import pytest

from tdrec.cli.options import UsageError
from tdrec.cli.segments import (
    MIN_TEST_ROWS,
    check_genres,
    check_validation_rows,
    find_segments,
    with_features,
)
from tdrec.data import Categories, Interactions, Items, load, split_by_time
from tdrec.studies.config import VALIDATION_FRACTION
from tdrec.tasks.ratings.config import PRESETS


def test_any_word_that_is_no_genre_is_refused():
    for text in ("all", "top8", "War, Drama", "Children's,Children"):
        check_genres(text)
    with pytest.raises(UsageError, match="--genre must name Action, .*Received: 'Golf'"):
        check_genres("War,Golf")


def test_a_genre_that_these_data_lack_is_refused(holdout):
    with pytest.raises(UsageError, match="--genre must name .*Received: 'IMAX'"):
        find_segments("IMAX", holdout)


def test_the_densest_genres_of_simulated_data():
    holdout = split_by_time(load("simulated"))
    dense = find_segments("all", holdout)
    test, train = holdout.test.genre_counts(), holdout.train.genre_counts()
    assert set(dense) == {genre for genre in test if test[genre] > 500}
    top = tuple(sorted(dense, key=lambda g: -train[g])[:8])
    assert find_segments("top8", holdout) == top


def test_a_genre_that_is_too_small_is_refused_with_those_that_are_not(holdout):
    counts = holdout.test.genre_counts()
    small = min(counts, key=counts.get)
    assert counts[small] < MIN_TEST_ROWS
    with pytest.raises(UsageError, match=f"'{small}' with {counts[small]} and .*Drama"):
        find_segments(f"Drama,{small}", holdout)
    with pytest.raises(UsageError, match="more than 500 evaluation rows. Received: data whose"):
        find_segments("all", holdout)


def test_genres_stand_in_the_order_of_their_rows(holdout):
    train = holdout.train.genre_counts()
    found = find_segments("War, Drama,War,Comedy", holdout)
    assert found == tuple(sorted(("Drama", "Comedy", "War"), key=lambda genre: -train[genre]))


def test_auto_needs_rows_to_validate_on(holdout, ratings):
    check_validation_rows(["War", "Drama"], split_by_time(holdout.train, VALIDATION_FRACTION))
    few = split_by_time(split_by_time(ratings.take(np.arange(200))).train, VALIDATION_FRACTION)
    counts = [part.genre_counts()["War"] for part in (few.test, few.train)]
    message = (
        r"--method=auto and --validation need 20 validation rows .*Received: 'War' with {} and {}\."
    )
    with pytest.raises(UsageError, match=message.format(*counts)):
        check_validation_rows(["War"], few)


@pytest.fixture
def clicks():
    """Rows of shops, one of which has a comma in its name."""
    shops = Categories.of(["NL", "Korea, Republic of"] * 300)
    fields = {"user_ids": np.arange(600), "values": np.arange(600) % 2, "item_ids": [7] * 600}
    times = {"timestamps": np.arange(600), "columns": {"shop": shops}, "segment_column": "shop"}
    return split_by_time(Interactions(**fields, **times, items=Items([7])), 0.2)


def test_a_segment_may_have_a_comma_in_its_name(clicks):
    assert find_segments("Korea, Republic of", clicks) == ("Korea, Republic of",)


def test_segments_are_called_so_and_the_nearest_is_named(clicks):
    with pytest.raises(UsageError, match=r"--segment must name .*'NK'.*NL"):
        find_segments("NK", clicks)
    with pytest.raises(UsageError, match="--segment=all takes segments with more than 500"):
        find_segments("all", clicks)


def test_student_and_teacher_read_the_columns_that_were_named(clicks):
    found = with_features(PRESETS, {"student": ["shop"], "teacher": []}, clicks.train)
    for name, preset in found.items():
        assert preset.student.features == ("shop",) and preset.teacher.model.features == ()
        assert PRESETS[name].student.features is None
    with pytest.raises(UsageError, match="--teacher_features must be of shop. Received: price"):
        with_features(PRESETS, {"teacher": ["price"]}, clicks.train)
