"""Tests of rankings and of what needs no training, against plain Python."""

from collections import Counter
from math import log2, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_movielens import of_some_users
from study_rows import make_row
from tdrec.data import simulate, split_by_time
from tdrec.studies.comparison import Scores
from tdrec.studies.task import DivergedError
from tdrec.tasks.sequences.evaluation import NDCG, item_knn, popularity, ranks, score
from tdrec.tasks.sequences.events import Histories


@pytest.fixture(scope="module")
def histories():
    return Histories(split_by_time(of_some_users(20, simulate())))


@pytest.fixture(scope="module")
def ranking(histories):
    return histories.ranking("Drama", 16, 5)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_what_is_not_seen_has_the_ranks_from_1_in_the_order_of_scores(candidates):
    scores = np.array([[value for value, _ in candidates]], float)
    seen = np.array([[is_seen for _, is_seen in candidates]])
    unseen = np.flatnonzero(~seen[0])
    found = {c: int(ranks(scores, seen, np.array([c]))[0]) for c in unseen}
    assert sorted(found.values()) == list(range(1, len(unseen) + 1))
    assert all(scores[0, a] >= scores[0, b] for a in unseen for b in unseen if found[a] < found[b])


def test_metrics_are_those_of_plain_python(ranking):
    values = np.random.default_rng(0).normal(size=ranking.seen.shape)
    gains, hits, inverse = {}, [], []
    for i, target in enumerate(ranking.target):
        unseen = [c for c in range(values.shape[1]) if not ranking.seen[i, c]]
        rank = 1 + sorted(unseen, key=lambda c: -values[i, c]).index(target)
        gain = 1 / log2(rank + 1) if rank <= 10 else 0.0
        gains.setdefault(int(ranking.user_ids[i]), []).append(gain)
        hits.append(rank <= 10)
        inverse.append(1 / rank)
    for user in ranking.missed:
        gains.setdefault(int(user), []).append(0.0)
        hits.append(False)
        inverse.append(0.0)
    found = score(values, ranking)
    assert found.value == pytest.approx(np.mean([g for of in gains.values() for g in of]))
    assert found.details["recall"] == pytest.approx(np.mean(hits))
    assert found.details["mrr"] == pytest.approx(np.mean(inverse))
    assert found.units.ids == sorted(gains)
    assert found.units.rows == [len(gains[user]) for user in sorted(gains)]
    sums = [sum(gains[user]) for user in sorted(gains)]
    np.testing.assert_allclose(found.units.sums, sums, atol=1e-6)
    cold = [g for user in gains if user in set(ranking.cold) for g in gains[user]]
    warm = [g for user in gains if user not in set(ranking.cold) for g in gains[user]]
    assert found.details["ndcg_cold"] == pytest.approx(np.mean(cold))
    assert found.details["ndcg_warm"] == pytest.approx(np.mean(warm))
    # What comparisons are made of is the value.
    row = make_row(metric="ndcg", value=found.value, units=found.units)
    scores = Scores.of([row], NDCG)
    assert scores.sums.sum() / scores.rows.sum() == pytest.approx(found.value, abs=1e-6)


def test_what_a_method_says_of_seen_movies_counts_for_nothing(ranking):
    values = np.random.default_rng(0).normal(size=ranking.seen.shape)
    assert ranking.seen.any()
    assert score(values + 1e6 * ranking.seen, ranking) == score(values, ranking)


def test_a_score_that_is_not_finite_has_diverged(ranking):
    with pytest.raises(DivergedError, match="not finite"):
        score(np.full(ranking.seen.shape, np.nan), ranking)


def test_popularity_counts_training_users(histories, ranking):
    candidates = histories.candidates("Drama")
    counts = Counter(histories.tokens[~histories.later].tolist())
    assert popularity(histories, candidates)[0].tolist() == [counts[c] for c in candidates]


def test_neighbours_are_those_of_plain_python(histories, ranking):
    candidates = histories.candidates("Drama")
    users = {}
    for event in np.flatnonzero(~histories.later):
        user, token = histories.user_ids[event], histories.tokens[event]
        users.setdefault(int(token), set()).add(int(user))
    most = max(len(users[c]) for c in candidates)
    found = item_knn(histories, candidates, ranking.last)
    for i in range(0, len(ranking.last), 40):
        for column, c in enumerate(candidates):
            cosines = [
                len(users[j] & users[c]) / sqrt(len(users[j]) * len(users[c]))
                for j in ranking.last[i]
                if j
            ]
            expected = sum(cosines) + 1e-6 * len(users[c]) / most
            assert found[i, column] == pytest.approx(expected)


def test_without_a_history_neighbours_are_the_popular(histories):
    candidates = histories.candidates("Drama")
    found = item_knn(histories, candidates, np.zeros((1, 5), int))
    popular = popularity(histories, candidates)
    np.testing.assert_allclose(found, 1e-6 * popular / popular.max())
