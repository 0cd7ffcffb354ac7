"""Tests of histories: what is known when an event is to be predicted, and what is learned from."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_movielens import of_some_users
from tdrec.data import Movies, Ratings, simulate, split_by_time
from tdrec.tasks.sequences.events import NOTHING, Histories, mixed

DRAMA = np.array([[True], [True], [True], [False], [True], [False]])
MOVIES = Movies(range(1, 7), [f"Film {i} (1990)" for i in range(6)], DRAMA, ("Drama",))


def made(rows):
    users, movies, times = np.array(rows).T
    return Ratings(users, movies, np.ones(len(rows)), times, MOVIES, (1.0, 5.0), "made")


rows_of_all = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 5)), min_size=8, max_size=40
).filter(lambda rows: len({time for *_, time in rows}) > 1)


@pytest.fixture(scope="module")
def few():
    return split_by_time(of_some_users(20, simulate()))


@pytest.fixture(scope="module")
def histories(few):
    return Histories(few)


def known_before(histories, event):
    """The tokens that a user had seen before an event, found by walking back."""
    found = []
    while event and histories.user_ids[event - 1] == histories.user_ids[event]:
        event -= 1
        found.insert(0, histories.tokens[event])
    return [token for token in found if token]


@settings(max_examples=60, deadline=None)
@given(rows_of_all, st.integers(0, 3))
def test_histories_hold_what_happened_before_and_nothing_later(rows, seed):
    ratings = made(rows)
    holdout = split_by_time(ratings, 0.3)
    histories = Histories(holdout, seed)
    first = {}
    for user, movie, time in sorted(rows, key=lambda row: row[2]):
        first.setdefault((user, movie), time)
    movies = histories.vocabulary.to_list()
    known = [i for i, token in enumerate(histories.tokens) if token]
    times = {i: first[histories.user_ids[i], movies[histories.tokens[i] - 1]] for i in known}
    assert len(histories.tokens) == len(first)
    for one, other in itertools.pairwise(known):
        assert histories.user_ids[one] <= histories.user_ids[other]
        if histories.user_ids[one] == histories.user_ids[other]:
            assert times[one] <= times[other]
    windows = histories.training_windows(3)
    learned = windows.events[windows.events != NOTHING]
    # Each training event is learned once, and no other is.
    assert Counter(learned) == Counter(np.flatnonzero(~histories.later))
    assert all(times[event] < holdout.cut for event in learned)
    assert set(histories.tokens[~histories.later]) == set(range(1, histories.start))
    if histories.candidates("Drama").size:
        ranking = histories.ranking("Drama", 4, 2)
        wanted = histories.later & histories.in_segment("Drama")
        assert len(ranking.target) + len(ranking.missed) == wanted.sum()
        for i, (window, place) in enumerate(zip(ranking.window, ranking.place, strict=True)):
            event = ranking.windows.events[window, place]
            assert wanted[event] and ranking.user_ids[i] == histories.user_ids[event]
            before = known_before(histories, event)
            given = list(ranking.windows.tokens[window, : place + 1])
            assert ([histories.start, *before])[-len(given) :] == given
            seen = set(histories.candidates("Drama")[ranking.seen[i]])
            assert seen == set(before) & set(histories.candidates("Drama"))
            assert list(ranking.last[i][ranking.last[i] > 0]) == before[-2:]
            target = histories.candidates("Drama")[ranking.target[i]]
            assert target == histories.tokens[event] and target not in seen


def test_ties_are_in_an_order_of_the_seed_and_not_of_ids():
    rows = [(1, movie, 10) for movie in range(1, 7)] + [(2, 1, 10), (1, 2, 20), (3, 1, 20)]
    orders = set()
    for seed in range(20):
        same = [Histories(split_by_time(made(rows)), seed).tokens.tolist() for _ in range(2)]
        assert same[0] == same[1]
        orders.add(tuple(same[0][:6]))
    assert len(orders) > 10
    assert all(sorted(order) == [1, 2, 3, 4, 5, 6] for order in orders)


def test_training_histories_do_not_depend_on_what_is_evaluated(few, histories):
    fewer = Histories(replace(few, test=few.test.take(np.arange(100))))
    one, other = (each.training_windows(16) for each in (fewer, histories))
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_array_equal(fewer.labels(one), histories.labels(other))


def test_later_windows_of_a_history_see_half_of_their_length(histories):
    ranking = histories.ranking("Drama", 16, 5)
    events = ranking.windows.events[ranking.window, ranking.place]
    assert len(set(events)) == len(events)
    before = np.array([len(known_before(histories, event)) for event in events])
    assert (before > 16).any()
    assert (ranking.place >= np.minimum(before, 8)).all()


def test_labels_are_of_the_segment_or_of_all_movies(histories):
    windows = histories.training_windows(16)
    every, drama = histories.labels(windows), histories.labels(windows, "Drama")
    candidates = histories.candidates("Drama")
    is_drama = np.isin(every + 1, candidates)
    assert ((drama != NOTHING) == is_drama).all() and is_drama.any() and not is_drama.all()
    np.testing.assert_array_equal(candidates[drama[is_drama]], every[is_drama] + 1)
    assert (every[:, 0] != NOTHING).all()


def test_fewer_users_are_among_the_more(histories):
    users = [
        set(histories.training_windows(16, "Drama", share).users) for share in (0.01, 0.3, 1.0)
    ]
    assert len(users[0]) == 1 and users[0] < users[1] < users[2]
    assert len(users[1]) == round(0.3 * len(users[2]))
    windows = histories.training_windows(16, "War")
    assert (histories.labels(windows, "War") != NOTHING).any(axis=1).all()
    of_all = histories.labels(histories.training_windows(16), "War")
    assert (histories.labels(windows, "War") != NOTHING).sum() == (of_all != NOTHING).sum()


def test_what_nobody_saw_in_training_is_missed_and_no_part_of_a_history():
    rows = [(1, 1, 1), (2, 2, 2), (3, 1, 3), (1, 5, 90), (1, 2, 91), (1, 5, 92)]
    histories = Histories(split_by_time(made(rows), 0.5))
    ranking = histories.ranking("Drama", 4, 3)
    assert list(ranking.missed) == [1] and list(ranking.target) == [1]
    assert list(ranking.windows.tokens[0]) == [histories.start, 1, 0, 0]
    assert list(ranking.cold) == []


def test_mixed_histories_have_movies_of_others_at_half_of_the_places():
    draw = np.random.default_rng(0)
    tokens = draw.integers(1, 50, (200, 8)).astype(np.int32)
    tokens[:, 0] = 50
    lengths = draw.integers(2, 9, 200)
    tokens[np.arange(8) >= lengths[:, None]] = 0
    found = mixed(tokens, start=50, copies=3)
    assert found.shape == (600, 8) and found.dtype == np.int32
    every = np.tile(tokens, (3, 1))
    stays = (every == 0) | (every == 50)
    np.testing.assert_array_equal(found[stays], every[stays])
    other = found[~stays] != every[~stays]
    assert other.mean() == pytest.approx(0.5 * 48 / 49, abs=0.03)
    assert set(found[~stays]) <= set(range(1, 50))
    np.testing.assert_array_equal(found, mixed(tokens, start=50, copies=3))
    assert mixed(tokens, start=50, copies=0).shape == (0, 8)
