"""Tests of intervals: against a slow loop, by the laws of differences, and by their coverage."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.statistics import (
    Comparison,
    Interval,
    UserErrors,
    choose,
    claim,
    compare,
    count_wins,
    signed,
)


def simulate(generator, users=40, seeds=3, gain=0.0, first_id=0):
    """Two methods on the same users: rows, users' own errors, and noise of each method and seed.

    In the population the squared error of a row is 1 for the other and (1 - gain)^2 for the method.
    """
    rows = generator.integers(1, 12, users)
    sides = []
    own = generator.normal(0, 0.5, users)
    errors = [generator.normal(0, math.sqrt(0.75 / 2), count) for count in rows]
    for factor in (1 - gain, 1.0):
        squared = np.empty((users, seeds))
        for u in range(users):
            noise = generator.normal(0, math.sqrt(0.75 / 2), (rows[u], seeds))
            squared[u] = (factor**2 * (own[u] + errors[u][:, None] + noise) ** 2).sum(0)
        sides.append(UserErrors(first_id + np.arange(users), rows, squared))
    return tuple(sides)


def slow(pairs, resamples, seed, percentiles=(2.5, 97.5)):
    """The same bootstrap with a loop over resamples, genres, seeds and users."""
    users = sorted({user for one, _ in pairs for user in one.ids.tolist()})
    drawn = np.random.default_rng(seed).integers(len(users), size=(resamples, len(users)))

    def figures(sample):
        differences, improvements = [], []
        for one, other in pairs:
            place = {user: i for i, user in enumerate(one.ids.tolist())}
            chosen = [place[user] for user in sample if user in place]
            means = []
            for side in (one, other):
                rmses = []
                for column in side.squared_error.T:
                    total = sum(float(column[i]) for i in chosen)
                    rmses.append(math.sqrt(total / sum(int(side.rows[i]) for i in chosen)))
                means.append(sum(rmses) / len(rmses))
            differences.append(means[0] - means[1])
            improvements.append(100 * (means[1] - means[0]) / means[1])
        return sum(differences) / len(pairs), sum(improvements) / len(pairs)

    values = np.array([figures([users[i] for i in line]) for line in drawn])
    expected = []
    for value, column in zip(figures(users), values.T, strict=True):
        expected.append(
            Interval(value, *np.percentile(column, percentiles)),
        )
    return Comparison(*expected)


def close(one, other):
    return [one.value, one.low, one.high] == pytest.approx(
        [other.value, other.low, other.high], abs=1e-12
    )


def test_one_genre_agrees_with_a_slow_loop():
    pairs = [simulate(np.random.default_rng(1), users=15)]
    fast, expected = compare(pairs, 120, seed=5), slow(pairs, 120, seed=5)
    assert close(fast.difference, expected.difference)
    assert close(fast.improvement, expected.improvement)


def test_another_level_has_other_quantiles():
    pair = simulate(np.random.default_rng(8))
    expected = slow([pair], 150, 3, percentiles=(5, 95))
    assert close(compare([pair], 150, 3, level=0.9).difference, expected.difference)


def test_genres_that_share_users_agree_with_a_slow_loop():
    generator = np.random.default_rng(2)
    pairs = [simulate(generator, users=15, first_id=first) for first in (0, 7, 12)]
    fast, expected = compare(pairs, 120, seed=3), slow(pairs, 120, seed=3)
    assert close(fast.difference, expected.difference)
    assert close(fast.improvement, expected.improvement)


def test_the_estimate_is_the_mean_over_seeds_and_genres_of_the_rmses():
    generator = np.random.default_rng(3)
    pairs = [simulate(generator, first_id=first) for first in (0, 20)]
    found = compare(pairs)
    differences = [one.rmse.mean() - other.rmse.mean() for one, other in pairs]
    assert found.difference.value == pytest.approx(np.mean(differences), abs=1e-14)
    shares = [100 * (1 - one.rmse.mean() / other.rmse.mean()) for one, other in pairs]
    assert found.improvement.value == pytest.approx(np.mean(shares), abs=1e-10)


def test_intervals_cover_the_true_difference_as_often_as_they_say():
    # 400 studies at a true rate of 95% have a standard error of 1.1%; percentile intervals of 60
    # users are known to be a little narrow, hence four errors below and three above.
    generator = np.random.default_rng(0)
    hits = zero_in = 0
    for _ in range(400):
        helped = compare([simulate(generator, users=60, seeds=1, gain=0.05)], 400).difference
        hits += helped.low <= -0.05 <= helped.high
        same = compare([simulate(generator, users=60, seeds=1)], 400)
        zero_in += same.verdict == "unclear"
    assert 0.906 <= hits / 400 <= 0.983
    assert 0.906 <= zero_in / 400 <= 0.983


def test_what_is_no_better_is_seldom_chosen():
    # Of five that differ from what one has by noise alone, the best; taken whatever its lead, it
    # would be chosen in 5 of 6 cases.
    generator = np.random.default_rng(1)
    taken = 0
    for _ in range(200):
        one, base = simulate(generator, users=60, seeds=1)
        same = {
            f"{i}": UserErrors(
                one.ids, one.rows, one.squared_error * np.exp(generator.normal(0, 0.3, (60, 1)))
            )
            for i in range(5)
        }
        taken += choose({"base": base, **same}, "base") != "base"
    assert taken <= 20


def test_what_is_better_is_chosen_and_more_candidates_ask_for_more():
    generator = np.random.default_rng(2)
    better, base = simulate(generator, users=60, seeds=1, gain=0.1)
    assert choose({"base": base, "better": better}, "base") == "better"
    assert choose({"better": base, "base": better}, "base") == "base"
    assert choose({"base": None, "better": better, "other": base}, "base") == "better"
    assert choose({"base": base, "better": None}, "base") == "base"
    with pytest.raises(ValueError, match="finite predictions.*Received: none has"):
        choose({"base": None, "better": None}, "base")
    # one that is shown to be better on its own, by little, and beside many others is not
    low, high = 0.0, 0.1
    for _ in range(30):
        gain = (low + high) / 2
        better, base = simulate(np.random.default_rng(2), users=60, seeds=1, gain=gain)
        low, high = (low, gain) if compare([(better, base)]).verdict == "better" else (gain, high)
    better, base = simulate(np.random.default_rng(2), users=60, seeds=1, gain=high)
    assert choose({"base": base, "better": better}, "base") == "better"
    others = {f"{i}": base for i in range(9)}
    assert choose({"base": base, "better": better, **others}, "base") == "base"


def test_a_mean_over_genres_of_the_same_users_is_no_surer_than_one_genre():
    # counting users of several genres as independent would shrink the interval by sqrt(4)
    pair = simulate(np.random.default_rng(4))
    once, often = compare([pair]), compare([pair] * 4)
    assert close(often.difference, once.difference)


def test_a_mean_over_genres_of_other_users_is_surer():
    generator = np.random.default_rng(5)
    pairs = [simulate(generator, first_id=1000 * genre) for genre in range(4)]
    widths = [np.ptp([compare([p]).difference.low, compare([p]).difference.high]) for p in pairs]
    found = compare(pairs).difference
    assert found.high - found.low == pytest.approx(np.hypot.reduce(widths) / 4, rel=0.2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 4))
def test_laws_of_a_difference(seed, users, seeds):
    one, other = simulate(np.random.default_rng(seed), users, seeds, gain=0.1)
    found, back = compare([(one, other)], 100), compare([(other, one)], 100)
    assert close(back.difference, Interval(*(-x for x in _turned(found.difference))))
    assert found.difference.low <= found.difference.high
    # identical sides
    none = compare([(one, one)], 100)
    assert none == Comparison(Interval(0, 0, 0), Interval(0, 0, 0)) and none.verdict == "unclear"
    # the order of users and of seeds is no matter; errors in other units scale
    order = np.random.default_rng(seed).permutation(seeds)
    mixed = [UserErrors(x.ids, x.rows, x.squared_error[:, order]) for x in (one, other)]
    assert close(compare([tuple(mixed)], 100).difference, found.difference)
    scaled = [UserErrors(x.ids, x.rows, 9 * x.squared_error) for x in (one, other)]
    tripled = compare([tuple(scaled)], 100)
    expected = Interval(*(3 * x for x in _parts(found.difference)))
    assert close(tripled.difference, expected)
    assert [*_parts(tripled.improvement)] == pytest.approx([*_parts(found.improvement)], abs=1e-9)


def _parts(interval):
    return interval.value, interval.low, interval.high


def _turned(interval):
    return interval.value, interval.high, interval.low


def test_a_side_without_seeds_is_compared_with_every_seed():
    one, other = simulate(np.random.default_rng(6), seeds=3)
    single = UserErrors(other.ids, other.rows, other.squared_error[:, :1])
    thrice = UserErrors(other.ids, other.rows, np.repeat(single.squared_error, 3, axis=1))
    assert close(compare([(one, single)]).difference, compare([(one, thrice)]).difference)


def test_a_perfect_other_side_has_no_improvement_to_divide_by():
    one, _ = simulate(np.random.default_rng(7))
    perfect = UserErrors(one.ids, one.rows, np.zeros_like(one.squared_error))
    assert compare([(perfect, perfect)]).improvement == Interval(0, 0, 0)
    assert math.isfinite(compare([(one, perfect)]).improvement.value)


def test_a_study_of_comparisons_takes_milliseconds_each():
    pairs = [simulate(np.random.default_rng(8), users=300, seeds=5)]
    compare(pairs)
    start = time.process_time()
    for _ in range(10):
        compare(pairs)
    assert time.process_time() - start < 0.5


def comparison(value, low, high):
    return Comparison(Interval(value, low, high), Interval(-value, -high, -low))


BETTER = comparison(-0.00123, -0.0021, -0.0004)
WORSE = comparison(0.0012, 0.0004, 0.0021)
UNCLEAR = comparison(-0.0003, -0.0010, 0.0005)


def test_claims_are_plain_sentences():
    assert claim("TD", "scratch", "on Drama", BETTER) == (
        "TD is better than scratch on Drama by 0.0012 (95% interval 0.0004 to 0.0021)."
    )
    assert claim("LD", "scratch", "in the mean over 8 genres", WORSE) == (
        "LD is worse than scratch in the mean over 8 genres by 0.0012 "
        "(95% interval 0.0004 to 0.0021)."
    )
    assert claim("TD", "LD", "on War", UNCLEAR) == (
        "No difference between TD and LD is shown on War: the RMSE of TD is 0.0003 lower "
        "(95% interval −0.0010 to +0.0005)."
    )
    same = claim("TD", "LD", "on War", comparison(0.0, -0.0, 0.00004))
    assert "the same to four decimals (95% interval 0.0000 to 0.0000)" in same


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [(-2, -1, "below"), (1, 2, "above"), (-1, 1, None), (0, 1, None), (-1, 0, None), (0, 0, None)],
)
def test_an_interval_that_touches_zero_does_not_exclude_it(low, high, side):
    assert Interval((low + high) / 2, low, high).side == side


def test_wins_are_counted_with_and_without_the_intervals():
    wins = count_wins([BETTER, WORSE, UNCLEAR, UNCLEAR])
    assert (wins.genres, wins.lower, wins.better, wins.worse, wins.unclear) == (4, 3, 1, 1, 2)
    assert count_wins([]).genres == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00123, "+0.0012"), (-0.5, "−0.5000"), (-0.00001, "0.0000"), (0, "0.0000")],
)
def test_signs(value, text):
    assert signed(value) == text


GOOD = {"ids": [1, 2], "rows": [1, 2], "squared_error": [[1.0], [2.0]]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [1]}, r"must have shape.*Received: \(2,\), \(1,\), \(2, 1\). Put one user"),
        ({"squared_error": [1.0, 2.0]}, r"Received: \(2,\), \(2,\), \(2,\)"),
        ({"squared_error": [[], []]}, r"Received: \(2,\), \(2,\), \(2, 0\)"),
        ({"ids": [1, 1]}, "each of them once. Received: 1 different users in 2 lines. Add up"),
        ({"rows": [1, 0]}, "at least 1 row. Received: 0. Leave out users"),
        ({"squared_error": [[1.0], [math.nan]]}, "Received: nan. Leave out runs that diverged"),
        ({"squared_error": [[1.0], [-3.0]]}, "finite and at least 0. Received: -3.0"),
        ({"squared_error": [[1.0], [math.inf]]}, "Received: inf"),
    ],
)
def test_errors_of_users_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        UserErrors(**{name: np.array(value) for name, value in (GOOD | changes).items()})


def test_one_user_is_refused():
    with pytest.raises(ValueError, match="at least 2 users.*Received: 1 different users"):
        UserErrors(np.array([1]), np.array([1]), np.array([[1.0]]))


def test_sides_that_cannot_be_paired_are_refused():
    one, other = simulate(np.random.default_rng(9), users=5, seeds=3)
    with pytest.raises(ValueError, match="1 genre and 100 resamples. Received: 0 and 2000"):
        compare([])
    with pytest.raises(ValueError, match="Received: 1 and 99"):
        compare([(one, other)], 99)
    fewer = UserErrors(one.ids[1:], one.rows[1:], one.squared_error[1:])
    with pytest.raises(ValueError, match="same rows of the same users.*Received: 4 users with"):
        compare([(fewer, other)])
    two = UserErrors(one.ids, one.rows, one.squared_error[:, :2])
    with pytest.raises(ValueError, match="Seeds are paired.*Received: 2 and 3 seeds. Keep those"):
        compare([(two, other)])
    tiny = [simulate(np.random.default_rng(0), users=2, first_id=2 * genre) for genre in range(9)]
    with pytest.raises(ValueError, match="half of the resamples. Received: genres of 2, 2"):
        compare(tiny)
