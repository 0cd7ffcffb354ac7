"""Tests of comparisons: against slow loops and SciPy, and by their laws."""

import itertools
import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from small_scores import RECALL, accuracies, close, parts, scores, simulate
from tdrec.studies import comparison
from tdrec.studies.comparison import Comparison, Estimate, Scores, compare
from tdrec.studies.metric import ACCURACY, RMSE


def slow(figure, users, seeds, resamples):
    """The interval of the module's docstring, of a function of chosen users and a seed."""
    drawn = np.random.default_rng(0).integers(len(users), size=(resamples, len(users)))
    whole = [figure(users, s) for s in range(seeds)]
    value = sum(whole) / seeds
    lines = np.array(
        [[figure([users[i] for i in line], s) for s in range(seeds)] for line in drawn]
    )
    means = lines.mean(1)
    pairs = list(itertools.permutations(range(seeds), 2))
    shared = max(0, np.mean([np.cov(lines[:, [a, b]].T, ddof=0)[0, 1] for a, b in pairs]))
    between = np.var(whole, ddof=1) / seeds
    moves = [
        np.mean([figure([x for x in users if x != user], s) for s in range(seeds)]) - value
        for user in users
    ]
    spread = sum(x**4 for x in moves) / sum(x**2 for x in moves) ** 2
    degrees = min(len(users) - 1, 2 / (spread - 1 / len(users)))
    ends = []
    for percent in (2.5, 97.5):
        k = (np.percentile(means, percent) - value) / means.std()
        k *= stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)
        t = stats.t.ppf(0.975, seeds - 1)
        square = (shared**2 * k**2 + between**2 * t**2) / (shared**2 + between**2)
        ends.append(math.copysign(math.sqrt((shared + between) * square), k))
    return Estimate(value, value + ends[0], value + ends[1])


@pytest.mark.parametrize("firsts", [(0,), (0, 7, 12)])
@pytest.mark.parametrize("metric", [RMSE, RECALL])
def test_intervals_over_users_and_seeds_agree_with_a_slow_loop(few_resamples, firsts, metric):
    generator = np.random.default_rng(len(firsts))
    pairs = [simulate(generator, 15, 3, first=first, root=metric.root) for first in firsts]
    users = sorted({user for one, _ in pairs for user in one.ids.tolist()})

    def mean(side, chosen, seed):
        values = []
        for pair in pairs:
            place = {user: i for i, user in enumerate(pair[side].ids.tolist())}
            own = [place[user] for user in chosen if user in place]
            share = sum(pair[side].sums[i, seed] for i in own) / sum(pair[side].rows[own])
            values.append(math.sqrt(share) if metric.root else share)
        return sum(values) / len(values)

    found = compare(pairs, metric, place="Mean", label="TD", other="scratch")
    expected = slow(lambda *x: mean(0, *x) - mean(1, *x), users, 3, few_resamples)
    assert close(found.difference, expected)
    base = np.mean([mean(1, users, seed) for seed in range(3)])
    percent = [100 * metric.sign * x / base for x in parts(expected)]
    assert close(found.improvement, Estimate(percent[0], *sorted(percent[1:])), 1e-8)
    assert (found.place, found.label, found.other, found.seeds) == ("Mean", "TD", "scratch", 3)


def test_users_who_matter_alike_give_at_most_one_degree_of_freedom_less_than_they_are(
    few_resamples,
):
    gains = np.array([0.1, -0.1, 0.1, -0.1, 0.1, -0.1])[:, None]
    sums = 0.5 + gains + np.random.default_rng(0).normal(0, 0.001, (6, 2))
    pair = scores(sums, np.ones(6, int), root=False), scores(0 * sums, np.ones(6, int), root=False)
    expected = slow(lambda chosen, s: sums[chosen, s].mean(), list(range(6)), 2, few_resamples)
    assert close(compare([pair], RECALL).difference, expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 3))
def test_without_users_it_is_students_interval_over_paired_seeds(seed, seeds, tasks):
    sides = np.random.default_rng(seed).uniform(0.5, 0.9, (2, tasks, seeds))
    pairs = [(accuracies(*one), accuracies(*other)) for one, other in sides.transpose(1, 0, 2)]
    found = compare(pairs, ACCURACY)
    one, other = sides.mean(1)
    expected = stats.ttest_rel(one, other)
    interval = expected.confidence_interval(0.95)
    assert close(found.difference, Estimate((one - other).mean(), interval.low, interval.high))
    shown = "better" if one.mean() > other.mean() else "worse"
    assert found.verdict == (shown if expected.pvalue < 0.05 else "unclear")
    percent = (100 * x / other.mean() for x in parts(found.difference))
    assert close(found.improvement, Estimate(*percent), 1e-9)


def test_users_on_whom_nothing_depends_leave_students_interval():
    rows, effects = np.arange(1, 31), np.array([0.03, 0.05, 0.02, 0.07])
    base = rows[:, None] * np.random.default_rng(0).uniform(0.2, 0.4, (30, 1)) * np.ones(4)
    pair = scores(base + rows[:, None] * effects, rows), scores(base, rows)
    interval = stats.ttest_1samp(effects, 0).confidence_interval(0.95)
    expected = Estimate(effects.mean(), interval.low, interval.high)
    assert close(compare([pair], RECALL).difference, expected)


def test_seeds_on_which_nothing_depends_leave_the_percentile_interval():
    one, other = simulate(np.random.default_rng(1), users=200, seeds=1)
    same = [scores(np.repeat(x.sums, 3, axis=1), x.rows) for x in (one, other)]
    found = compare([tuple(same)], RMSE).difference
    counts = np.random.default_rng(0).integers(200, size=(2000, 200))
    rows = one.rows[counts].sum(1)
    resampled = [np.sqrt(x.sums[:, 0][counts].sum(1) / rows) for x in (one, other)]
    low, high = np.percentile(resampled[0] - resampled[1], [2.5, 97.5])
    # Student's t of at most 199 degrees of freedom, and of many with so many users
    widths = np.array([found.low - found.value, found.high - found.value])
    wider = widths / (np.array([low, high]) - found.value)
    assert wider[0] == pytest.approx(wider[1])
    assert stats.t.ppf(0.975, 199) <= wider[0] * stats.norm.ppf(0.975) <= stats.t.ppf(0.975, 30)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 30), st.integers(2, 5), st.sampled_from([RMSE, RECALL])
)
def test_laws_of_a_difference(seed, users, seeds, metric):
    one, other = simulate(np.random.default_rng(seed), users, seeds, gain=0.1, root=metric.root)
    found, back = compare([(one, other)], metric), compare([(other, one)], metric)
    turned = Estimate(-back.difference.value, -back.difference.high, -back.difference.low)
    assert close(found.difference, turned)
    assert {found.verdict, back.verdict} in ({"better", "worse"}, {"unclear"})
    assert found.difference.low <= found.difference.value <= found.difference.high
    # identical sides
    none = compare([(one, one)], metric)
    zero = Estimate(0, 0, 0)
    assert none == Comparison("", "", "", zero, zero, "unclear", seeds)
    # the order of seeds is no matter; sums in other units scale
    order = np.random.default_rng(seed).permutation(seeds)
    mixed = [scores(x.sums[:, order], x.rows, root=metric.root) for x in (one, other)]
    assert close(compare([tuple(mixed)], metric).difference, found.difference)
    nine = [scores(9 * x.sums, x.rows, root=metric.root) for x in (one, other)]
    scaled, factor = compare([tuple(nine)], metric), 3 if metric.root else 9
    expected = Estimate(*(factor * x for x in parts(found.difference)))
    assert close(scaled.difference, expected)
    assert close(scaled.improvement, found.improvement, 1e-8)


def test_what_was_compared_is_not_changed():
    # what is computed of scores is kept by which they are
    one, other = simulate(np.random.default_rng(0))
    found = compare([(one, other)], RMSE)
    for made, name in ((one, "values"), (found, "verdict"), (found.difference, "low")):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, None)


def test_a_mean_over_tasks_of_the_same_users_and_seeds_is_no_surer_than_one_task():
    pair = simulate(np.random.default_rng(4))
    once, often = compare([pair], RMSE), compare([pair] * 4, RMSE)
    assert close(often.difference, once.difference)


def test_a_mean_over_tasks_of_other_users_is_surer():
    generator = np.random.default_rng(5)
    pairs = [simulate(generator, users=300, seeds=9, first=1000 * task) for task in range(4)]
    widths = [np.ptp(parts(compare([pair], RMSE).difference)) for pair in pairs]
    assert np.ptp(parts(compare(pairs, RMSE).difference)) < 0.7 * np.mean(widths)


def test_the_improvement_is_of_the_means_that_a_table_shows():
    generator = np.random.default_rng(3)
    pairs = [simulate(generator, gain=0.1, first=first) for first in (0, 20)]
    found = compare(pairs, RMSE)
    one, other = (np.mean([pair[side].mean for pair in pairs]) for side in (0, 1))
    assert found.difference.value == pytest.approx(one - other, abs=1e-14)
    assert found.improvement.value == pytest.approx(RMSE.improvement(one, other), abs=1e-10)
    assert found.verdict == "better" and found.improvement.low > 0


def test_a_perfect_other_side_leaves_nothing_to_improve():
    one, _ = simulate(np.random.default_rng(7))
    perfect = scores(np.zeros_like(one.sums), one.rows)
    found = compare([(one, perfect)], RMSE)
    assert math.isnan(found.improvement.value) and found.improvement.low is None
    assert found.verdict == "worse"


def test_one_seed_is_a_figure_and_no_verdict():
    one, other = simulate(np.random.default_rng(0), seeds=1, gain=0.5)
    found = compare([(one, other)], RMSE)
    difference = one.values[0] - other.values[0]
    assert found.difference == Estimate(pytest.approx(difference), None, None)
    percent = pytest.approx(-100 * difference / other.values[0])
    assert found.improvement == Estimate(percent, None, None)
    assert (found.verdict, found.seeds) == ("one seed", 1)
    alone = [scores(x.sums, x.rows, seeds=(None,)) for x in (one, other)]
    assert compare([tuple(alone)], RMSE) == found
    assert compare([(accuracies(0.9), accuracies(0.8))], ACCURACY).verdict == "one seed"


def test_a_reference_is_compared_with_every_seed():
    one, other = simulate(np.random.default_rng(6), seeds=3)
    single = scores(other.sums[:, :1], other.rows, seeds=(None,))
    thrice = scores(np.repeat(single.sums, 3, axis=1), other.rows)
    assert compare([(one, single)], RMSE) == compare([(one, thrice)], RMSE)
    assert compare([(single, one)], RMSE) == compare([(thrice, one)], RMSE)
    students, teacher = accuracies(0.7, 0.72, 0.71), accuracies(0.8, seeds=(None,))
    found = compare([(students, teacher)], ACCURACY)
    assert found == compare([(students, accuracies(0.8, 0.8, 0.8))], ACCURACY)
    assert (found.verdict, found.seeds) == ("worse", 3)


def test_seeds_are_paired_and_those_of_all_sides_and_tasks_count():
    values = {seed: 0.5 + 0.01 * seed**2 for seed in range(6)}

    def of(*seeds, gain=0.0):
        return accuracies(*(values[s] + gain * (1 + s) for s in seeds), seeds=seeds)

    # what seeds share cancels in pairs, in whatever order they come
    found = compare([(of(3, 1, 2, gain=0.01), of(0, 1, 2, 3))], ACCURACY)
    assert found == compare([(of(3, 1, 2, gain=0.01), of(3, 1, 2))], ACCURACY)
    assert found.difference.value == pytest.approx(0.03) and found.seeds == 3
    tasks = [(of(1, 2, 3), of(1, 2, 3)), (of(2, 3, 4, gain=0.01), of(2, 3, 4))]
    mean = compare(tasks, ACCURACY)
    assert mean.seeds == 2 and mean.difference.value == pytest.approx(0.0175)
    assert compare([(of(0, 1), of(2, 3))], ACCURACY) is None
    assert compare([(of(1), of(1)), (of(2), of(2))], ACCURACY) is None


def test_sides_that_cannot_be_compared_are_refused():
    one, other = simulate(np.random.default_rng(9), users=5)
    with pytest.raises(ValueError, match="at least 1 task. Received: none. Give a pair"):
        compare([], RMSE)
    fewer = scores(one.sums[1:], one.rows[1:], one.ids[1:])
    with pytest.raises(ValueError, match="same rows of the same users.*Received: 4 users with"):
        compare([(fewer, other)], RMSE)
    with pytest.raises(ValueError, match="same rows of the same users"):
        compare([(scores(one.sums, one.rows + 1), other)], RMSE)
    negative = Scores(one.seeds, one.values, one.ids, one.rows, other.sums - 9)
    with pytest.raises(ValueError, match="under a root must be at least 0. Received: -"):
        compare([(negative, other)], RMSE)
    assert compare([(negative, other)], RECALL).verdict == "worse"
    with pytest.raises(ValueError, match="must have ids, rows and sums. Received: scores without"):
        compare([(accuracies(0.7), accuracies(0.8))], RMSE)
    for name in ("ids", "rows", "sums"):
        with pytest.raises(ValueError, match="must have ids, rows and sums. Received: scores"):
            compare([(replace(one, **{name: None}), other)], RMSE)
    with pytest.raises(TypeError, match="positional arguments"):
        compare([(one, other)], RMSE, "War")  # three names of one kind, so none without its own


@pytest.mark.parametrize("resamples", [2000, 4, 1])
def test_tasks_that_half_of_the_resamples_miss_are_refused(resamples, monkeypatch):
    monkeypatch.setattr(comparison, "RESAMPLES", resamples)
    pairs = [simulate(np.random.default_rng(0), users=2, first=2 * task) for task in range(7)]
    refused = []
    for tasks in range(1, 8):
        drawn = np.random.default_rng(0).integers(2 * tasks, size=(resamples, 2 * tasks))
        each_has_users = (drawn[:, :, None] // 2 == np.arange(tasks)).any(1).all(1)
        refused.append(bool(each_has_users.mean() < 0.5))
        if refused[-1]:
            sizes = ", ".join(["2"] * tasks)
            with pytest.raises(ValueError, match=f"half of the resamples.* tasks of {sizes} users"):
                compare(pairs[:tasks], RMSE)
        else:
            assert compare(pairs[:tasks], RMSE).seeds == 3
    assert set(refused) == {True, False}
