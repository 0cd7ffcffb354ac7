import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.data import DataError, split_by_time
from tdrec.data.columns import Categories
from tdrec.data.holdout import PARTS, Split
from tdrec.data.interactions import Interactions, Items

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


# Other rules -----------------------------------------------------------------------------------

COLUMN = Split("column", column="part")
DRAWN = st.sampled_from(["random", "user"])
shares = st.floats(1e-6, 1 - 1e-6)
seeds = st.integers(0, 2**63)
splits = (
    st.builds(lambda share: Split("time", share), shares)
    | st.builds(lambda cut: Split("time", cut=cut), st.integers(-(2**62), 2**62))
    | st.builds(lambda by, share, seed: Split(by, share, seed=seed), DRAWN, shares, seeds)
    | st.builds(
        lambda name: Split("column", column=name), st.text(min_size=1).map(str.strip).filter(bool)
    )
)


@given(split=splits)
def test_a_split_is_read_from_what_it_writes(split):
    assert Split.parse(split.text) == split


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("time", Split()),
        ("time:.8", Split("time", 0.8)),
        ("time:891382309", Split("time", cut=891382309)),
        ("time: -5 ", Split("time", cut=-5)),
        ("random", Split("random")),
        ("random:0.8:7", Split("random", 0.8, seed=7)),
        ("user:0.5", Split("user", 0.5)),
        ("column: a:b ", Split("column", column="a:b")),
    ],
)
def test_splits_are_written_as_words(text, split):
    assert Split.parse(text) == split


@pytest.mark.parametrize(
    "text",
    [
        *("", "tme", "time:", "time:0.9:1", "time:x", "random:x", "random:0.9:", "random:0.9:-1"),
        *("random:0.9:1.5", "random:0.9:1:2", "column", "column: ", "user:0,9", "time:٣"),
    ],
)
def test_other_words_are_no_split(text):
    with pytest.raises(ValueError, match=f"A split is time, time:0.9, .*Received: {text!r}"):
        Split.parse(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train_fraction": 0.0}, "both excluded. Received: 0"),
        ({"train_fraction": float("nan")}, "both excluded. Received: nan"),
        ({"by": "day"}, "by one of time, random, user, column. Received: 'day'"),
        ({"by": "column"}, "names it, and no other does"),
        ({"column": "part"}, "names it, and no other does"),
        ({"by": "random", "cut": 3}, "A cut is of a split by time. Received: 3, by random"),
        ({"by": "user", "seed": -1}, "A seed is not negative. Received: -1"),
    ],
)
def test_a_split_of_no_meaning_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Split(**fields)


PART_WORDS = st.sampled_from(PARTS)
many = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 9), PART_WORDS), min_size=2, max_size=40
)


def of_rows(rows):
    """Interactions whose item is the number of the row."""
    users, times, parts = (list(column) for column in zip(*rows, strict=True))
    return Interactions(
        user_ids=users,
        item_ids=np.arange(len(rows)),
        values=np.arange(len(rows)) % 2,
        timestamps=times,
        items=Items(np.arange(len(rows)), {"kind": Categories.of(["a"] * len(rows))}),
        segment_column="kind",
        parts=Categories.of(parts),
    )


def rules():
    return st.sampled_from(
        [Split("time", 0.7), Split("random", 0.7, seed=2), Split("user", 0.5), COLUMN]
    )


@given(rows=many, split=rules())
def test_each_rule_gives_parts_that_make_up_the_whole(rows, split):
    data = of_rows(rows)
    try:
        holdout = split(data)
    except DataError:
        users, times, parts = (set(column) for column in zip(*rows, strict=True))
        too_few = {"time": len(times) < 2, "user": len(users) < 2}
        assert too_few.get(split.by, split.by == "column" and len({p == "test" for p in parts}) < 2)
        return
    train, test = holdout.train.item_ids.tolist(), holdout.test.item_ids.tolist()
    assert sorted(train + test) == list(range(len(rows))) and train and test
    train_users = set(holdout.train.user_ids.tolist())
    cold = [user not in train_users for user in holdout.test.user_ids.tolist()]
    assert holdout.cold_share == sum(cold) / len(cold)
    assert holdout.unseen_item_share == 1  # each row has an item of its own
    if split.by == "time":
        assert holdout.train.timestamps.max() < holdout.test.timestamps.min() == holdout.cut
    if split.by == "user":
        assert all(cold)
    if split.by == "random":
        assert len(test) == min(max(round(0.3 * len(rows)), 1), len(rows) - 1)
    if split.by == "column":
        assert test == [i for i, row in enumerate(rows) if row[2] == "test"]
    again = split(data)
    assert again.train.fingerprint == holdout.train.fingerprint


@given(rows=many, split=rules())
def test_validation_rows_are_held_out_by_the_same_rule(rows, split):
    train = of_rows(rows)
    try:
        inner = split.validation(train, 0.3)
    except DataError:
        return
    held = inner.test.item_ids.tolist()
    assert sorted(held + inner.train.item_ids.tolist()) == list(range(len(rows)))
    named = [i for i, row in enumerate(rows) if row[2] == "validation"]
    if split.by == "time" or (split.by == "column" and not named):
        assert inner.train.timestamps.max() < inner.test.timestamps.min()
    elif split.by == "column":
        assert held == named
    elif split.by == "user":
        assert not set(inner.train.user_ids.tolist()) & set(inner.test.user_ids.tolist())


def test_seeds_draw_other_rows_and_validation_rows_are_drawn_anew():
    data = of_rows([(i % 5 + 1, i, "train") for i in range(50)])
    first, second = (Split("random", 0.5, seed=seed)(data).test for seed in (0, 1))
    assert set(first.item_ids.tolist()) != set(second.item_ids.tolist())
    holdout = Split("random", 0.5)(data)
    inner = Split("random", 0.5).validation(holdout.train, 0.2)
    assert len(inner.test) == 5 and not set(inner.test.item_ids) & set(holdout.test.item_ids)


def test_both_parts_have_the_scale_of_the_training_rows():
    data = of_rows([(1, 1, "train"), (1, 2, "train"), (1, 3, "test")])
    values = data.changed(values=np.array([2.0, 4.0, 9.0]))
    holdout = COLUMN(values)
    assert holdout.train.scale == holdout.test.scale == (2.0, 4.0)
    given_scale = COLUMN(values.changed(scale=(0.0, 10.0)))
    assert given_scale.train.scale == (0.0, 10.0)


@pytest.mark.parametrize(
    ("rows", "split", "message"),
    [
        ([(1, 1, "train")], Split("random"), "at least two rows. Received: 1"),
        ([(1, 1, "train")] * 2, Split("user"), "at least two users. Received: 1"),
        ([(1, 1, "train")] * 2, Split("time"), "two different timestamps"),
        ([(1, 1, "train")] * 2, Split("column", column="part"), "Received: 2 and 0"),
        ([(1, 1, "dev"), (1, 1, "test")], Split("column", column="part"), "Received: 'dev'"),
    ],
)
def test_rows_that_cannot_be_split_are_refused(rows, split, message):
    with pytest.raises(DataError, match=message):
        split(of_rows(rows))


def test_a_rule_needs_its_column():
    data = of_rows([(1, 1, "train"), (2, 2, "test")])
    with pytest.raises(DataError, match="Received: 'interactions', of which 'part' was not read"):
        COLUMN(data.changed(parts=None))
    with pytest.raises(DataError, match="needs a column of times"):
        Split("time")(data.changed(timestamps=None))
    assert Split.usual(data) == Split("time")
    assert Split.usual(data.changed(timestamps=None)) == Split("random")


def test_training_rows_have_a_weight():
    data = of_rows([(1, 1, "train"), (2, 2, "test")]).changed(weights=np.array([0.0, 1.0]))
    with pytest.raises(DataError, match="must have a weight above 0. Received: 1 of"):
        COLUMN(data)


@pytest.mark.parametrize(
    ("split", "until"),
    [(Split("random"), 0.6), (Split("user"), 0.8), (Split(), 0.2), (Split(), 1.5), (Split(), 0.0)],
)
def test_an_earlier_cut_is_one_of_time_with_rows_before_it(split, until):
    data = of_rows([(i % 5 + 1, i, "train") for i in range(50)])
    with pytest.raises(DataError, match="can be cut at an earlier time.* Leave out --cuts"):
        split.validation(data, 0.2, until)
