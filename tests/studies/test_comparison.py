"""Tests of comparisons: against slow loops and SciPy, by their laws, and by their coverage."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tdrec.studies import comparison
from tdrec.studies.comparison import Comparison, Estimate, Scores, choose, compare, recovered
from tdrec.studies.metric import ACCURACY, RMSE, Metric
from tdrec.studies.row import Data, Row, Units

RECALL = Metric("recall", "Recall@10", better="higher", unit="user")


@pytest.fixture
def few_resamples(monkeypatch):
    monkeypatch.setattr(comparison, "RESAMPLES", 150)
    comparison._lines.cache_clear()
    yield 150
    comparison._lines.cache_clear()


def simulate(generator, users=40, seeds=3, gain=0.0, first=0, root=True):
    """Two labels on the same users: what users, seeds, and users at a seed do to their errors."""
    rows = generator.integers(1, 12, users)
    hard = rows * generator.gamma(4, 1 / 4, users)
    sides = []
    for factor in (1 - gain, 1.0):
        own, at_seed = generator.normal(0, 0.1, (users, 1)), generator.normal(0, 0.1, seeds)
        noise = generator.normal(0, 0.1, (users, seeds))
        sums = hard[:, None] * factor**2 * np.exp(own + at_seed / 10 + noise)
        sides.append(scores(sums, rows, first + np.arange(users), root))
    return tuple(sides)


def scores(sums, rows, ids=None, root=True, seeds=None):
    values = sums.sum(0) / rows.sum()
    return Scores(
        tuple(range(sums.shape[1])) if seeds is None else seeds,
        np.sqrt(values) if root else values,
        np.arange(len(rows)) if ids is None else ids,
        rows,
        sums,
    )


def accuracies(*values, seeds=None):
    return Scores(tuple(range(len(values))) if seeds is None else seeds, np.array(values))


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


def close(one, other, tolerance=1e-11):
    return _parts(one) == pytest.approx(_parts(other), abs=tolerance)


def _parts(estimate):
    return [estimate.value, estimate.low, estimate.high]


# Values and intervals --------------------------------------------------------------------------


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
    ratio = expected.value / base
    linear = slow(
        lambda *x: (mean(0, *x) - mean(1, *x) - ratio * mean(1, *x)) / base + ratio,
        users,
        3,
        few_resamples,
    )
    percent = sorted(100 * metric.sign * end for end in (linear.low, linear.high))
    assert close(found.improvement, Estimate(100 * metric.sign * ratio, *percent), 1e-8)
    assert (found.place, found.label, found.other, found.seeds) == ("Mean", "TD", "scratch", 3)


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
    ratio = one.mean() / other.mean() - 1
    linear = stats.ttest_rel(one - other, ratio * other).confidence_interval(0.95)
    ends = (100 * (ratio + end / other.mean()) for end in (linear.low, linear.high))
    assert close(found.improvement, Estimate(100 * ratio, *ends), 1e-9)


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
    expected = Estimate(*(factor * x for x in _parts(found.difference)))
    assert close(scaled.difference, expected)
    assert close(scaled.improvement, found.improvement, 1e-8)


def test_a_mean_over_tasks_of_the_same_users_and_seeds_is_no_surer_than_one_task():
    pair = simulate(np.random.default_rng(4))
    once, often = compare([pair], RMSE), compare([pair] * 4, RMSE)
    assert close(often.difference, once.difference)


def test_a_mean_over_tasks_of_other_users_is_surer():
    generator = np.random.default_rng(5)
    pairs = [simulate(generator, users=300, seeds=9, first=1000 * task) for task in range(4)]
    widths = [np.ptp(_parts(compare([pair], RMSE).difference)) for pair in pairs]
    assert np.ptp(_parts(compare(pairs, RMSE).difference)) < 0.7 * np.mean(widths)


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


# Seeds -----------------------------------------------------------------------------------------


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


# Recovered gaps --------------------------------------------------------------------------------


def test_the_recovered_share_has_the_interval_of_the_linear_ratio():
    student, scratch = np.array([0.76, 0.75, 0.77, 0.74]), np.array([0.70, 0.71, 0.72, 0.69])
    found = recovered(
        [(accuracies(*student), accuracies(*scratch), accuracies(0.82, seeds=(None,)))], ACCURACY
    )
    part, whole = student - scratch, 0.82 - scratch
    ratio = part.mean() / whole.mean()
    interval = stats.ttest_rel(part, ratio * whole).confidence_interval(0.95)
    ends = (ratio + end / whole.mean() for end in (interval.low, interval.high))
    assert close(found, Estimate(ratio, *ends))


@pytest.mark.parametrize("teacher_has_seeds", [True, False])
def test_a_student_as_good_as_the_teacher_recovers_all_and_one_like_scratch_nothing(
    teacher_has_seeds,
):
    teacher, scratch = simulate(np.random.default_rng(2), users=80, gain=0.2)
    if not teacher_has_seeds:
        teacher = scores(teacher.sums[:, :1], teacher.rows, seeds=(None,))
    assert close(recovered([(teacher, scratch, teacher)], RMSE), Estimate(1, 1, 1))
    assert close(recovered([(scratch, scratch, teacher)], RMSE), Estimate(0, 0, 0))


def test_nothing_is_recovered_of_a_gap_that_is_not_shown():
    teacher, scratch = simulate(np.random.default_rng(2), users=80, gain=0.2)
    assert recovered([(scratch, teacher, scratch)], RMSE) is None  # the teacher is worse
    one, other = simulate(np.random.default_rng(3), users=10)
    assert compare([(one, other)], RMSE).verdict == "unclear"
    assert recovered([(other, other, one)], RMSE) is None
    single = [scores(x.sums[:, :1], x.rows) for x in (teacher, scratch)]
    assert recovered([(single[0], single[1], single[0])], RMSE) is None  # one seed
    late = scores(scratch.sums, scratch.rows, seeds=(7, 8, 9))
    assert recovered([(late, scratch, teacher)], RMSE) is None  # no seed in common


# Choosing --------------------------------------------------------------------------------------


def candidates(generator, count, users=30):
    """Some of which are better than others, by about as much as can be shown."""
    rows = generator.integers(1, 12, users)
    hard = rows * generator.gamma(4, 1 / 4, users)
    gains = generator.uniform(0, 0.3, count)
    noise = generator.normal(0, 0.4, (count, users))
    sums = [hard * np.exp(own - gain) for gain, own in zip(gains, noise, strict=True)]
    return {f"{i}": scores(each[:, None], rows) for i, each in enumerate(sums)}


def test_the_choice_agrees_with_resampling_by_index():
    generator, taken = np.random.default_rng(1), set()
    drawn = np.random.default_rng(0).integers(30, size=(2000, 30))
    for count in (2, 3, 6) * 20:
        known = candidates(generator, count)
        best = min(known, key=lambda name: known[name].mean)
        resampled = {
            name: np.sqrt(each.sums[:, 0][drawn].sum(1) / each.rows[drawn].sum(1))
            for name, each in known.items()
        }
        # 5% over the others and both sides
        high = np.percentile(resampled[best] - resampled["0"], 100 - 5 / (count - 1) / 2)
        assert choose(known, "0", RMSE) == (best if high < 0 else "0")
        taken.add((best == "0", bool(high < 0)))
    assert taken == {(True, False), (False, False), (False, True)}


def test_what_is_better_is_chosen_and_more_candidates_ask_for_more():
    better, base = simulate(np.random.default_rng(2), seeds=1, gain=0.2)
    assert choose({"base": base, "better": better}, "base", RMSE) == "better"
    assert choose({"better": base, "base": better}, "base", RMSE) == "base"
    assert choose({"base": base, "better": better}, "base", RECALL) == "base"
    assert choose({"base": None, "better": better, "other": base}, "base", RMSE) == "better"
    assert choose({"base": base, "better": None}, "base", RMSE) == "base"
    low, high = 0.0, 0.2
    for _ in range(30):  # to a gain that is just shown
        gain = (low + high) / 2
        sums = base.sums * (1 - gain) * np.exp(np.random.default_rng(1).normal(0, 0.1, (40, 1)))
        just = scores(sums, base.rows)
        shown = choose({"base": base, "just": just}, "base", RMSE) == "just"
        low, high = (low, gain) if shown else (gain, high)
    sums = base.sums * (1 - high) * np.exp(np.random.default_rng(1).normal(0, 0.1, (40, 1)))
    just = scores(sums, base.rows)
    assert choose({"base": base, "just": just}, "base", RMSE) == "just"
    others = {f"{i}": base for i in range(9)}
    assert choose({"base": base, "just": just, **others}, "base", RMSE) == "base"


def test_what_cannot_be_chosen_from_is_refused():
    one, base = simulate(np.random.default_rng(2), seeds=2)
    with pytest.raises(ValueError, match="base, one must have finite.*Received: none has. Train"):
        choose({"base": None, "one": None}, "base", RMSE)
    with pytest.raises(ValueError, match=r"at one seed.*seeds \[\(0, 1\), \(0, 1\)\]. Give"):
        choose({"base": base, "one": one}, "base", RMSE)
    with pytest.raises(ValueError, match="over users. Received: accuracy by seed"):
        choose({"base": accuracies(0.7), "one": accuracies(0.8)}, "base", ACCURACY)
    single, _ = simulate(np.random.default_rng(2), seeds=1)
    fewer, _ = simulate(np.random.default_rng(2), seeds=1, users=9)
    with pytest.raises(ValueError, match="same rows of the same users"):
        choose({"base": single, "one": fewer}, "base", RMSE)


# Bad input -------------------------------------------------------------------------------------

GOOD = {
    "seeds": (0,),
    "values": [1.0],
    "ids": [1, 2],
    "rows": [1, 2],
    "sums": [[1.0], [2.0]],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": (0, 0)}, r"each seed once.*Received: \(0, 0\). Give runs"),
        ({"seeds": (0, None)}, r"or the one run None. Received: \(0, None\)"),
        ({"seeds": (), "values": []}, r"at least 1 seed. Received: shape \(0,\)"),
        ({"values": [1.0, 2.0]}, r"shape \(2,\), 2 of them finite, for seeds \(0,\). Leave"),
        ({"values": [math.nan]}, r"shape \(1,\), 0 of them finite"),
        ({"rows": [1]}, r"must have shape.*Received: \(2,\), \(1,\), \(2, 1\) for 1 seeds. Put"),
        ({"sums": [1.0, 2.0]}, r"Received: \(2,\), \(2,\), \(2,\) for"),
        ({"sums": [[1.0, 1.0], [2.0, 2.0]]}, r"\(2, 2\) for 1 seeds"),
        ({"ids": [1, 1]}, "each of them once. Received: 1 different users in 2 lines. Add up"),
        ({"ids": [1], "rows": [3], "sums": [[1.0]]}, "at least 2 users.*Received: 1 different"),
        ({"rows": [1, 0]}, "at least 1 row.*Received: rows from 0.*Leave out users"),
        ({"sums": [[1.0], [math.nan]]}, "finite sums. Received: .*up to nan"),
        ({"sums": [[1.0], [math.inf]]}, "up to inf"),
    ],
)
def test_scores_that_cannot_be_are_refused(changes, message):
    given_ = {k: v if k == "seeds" else np.array(v) for k, v in (GOOD | changes).items()}
    with pytest.raises(ValueError, match=message):
        Scores(**given_)


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
    tiny = [simulate(np.random.default_rng(0), users=2, first=2 * task) for task in range(9)]
    with pytest.raises(ValueError, match="half of the resamples. Received: tasks of 2, 2"):
        compare(tiny, RMSE)


# From rows -------------------------------------------------------------------------------------


def row(seed=0, sums=(4.0, 5.0), rows=(2, 7), ids=("a", "b"), **changes):
    fields = {
        "study": "table3",
        "task": "War",
        "metric": "rmse",
        "value": 1.0,
        "method": "td",
        "label": "TD k=2",
        "preset": "strong",
        "setting": "",
        "seed": seed,
        "status": "ok",
        "n_train": 90,
        "n_test": 9,
        "key": f"{seed}",
        "data": Data("small", "ab", 100, 10),
        "units": Units(ids, rows, sums),
    }
    return Row(**fields | changes)


def test_scores_are_read_from_rows():
    found = Scores.of([row(4, (0.0, 9.0)), row(2, (10.0, 12.25), value=1.5723)], RMSE)
    assert found.seeds == (4, 2) and found.ids.tolist() == ["a", "b"]
    assert found.rows.tolist() == [2, 7]
    assert found.sums.tolist() == [[0.0, 10.0], [9.0, 12.25]]
    assert found.mean == pytest.approx((1 + 1.5723) / 2)
    assert found.standard_error == pytest.approx(stats.sem([1, 1.5723]))
    alone = Scores.of([row(None, value=0.7, metric="accuracy", method="teacher")], ACCURACY)
    assert alone.seeds == (None,) and alone.sums is None and alone.standard_error is None
    recall = Scores.of([row(0, (2.0, 1.0), value=1 / 3, metric="recall")], RECALL)
    assert recall.mean == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"one label on one task.*with rmse. Received: \[\]. Leave out"),
        ([row(), row(1, label="LD")], r"Received: \[\('LD', 'War', 'rmse', 'ok'\), \('TD k=2'"),
        ([row(), row(1, task="Drama")], "'Drama'.*'War'"),
        ([row(metric="accuracy")], "with rmse. Received: .*'accuracy'"),
        ([row(), row(1, value=None, status="diverged")], "'diverged'.*runs that diverged"),
        ([row(), row(0)], r"each seed once.*Received: \(0, 0\)"),
        (
            [row(), row(1, units=None)],
            "must have units.*Received: 1 of 2 runs of 'TD k=2' on 'War'",
        ),
        ([row(), row(1, ids=("a", "c"))], "of 2 sets of users"),
        ([row(), row(1, rows=(3, 6))], "of 2 sets of users"),
        ([row(), row(1, sums=(9.0,))], "of 2 sets of users"),
        ([row(sums=(-1.0, 10.0))], "under a root must be at least 0. Received: -1.0 for rmse"),
        ([row(value=1.001)], "give the row's rmse. Received: 1.000000 from units and 1.001000 as"),
    ],
)
def test_rows_that_make_no_scores_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Scores.of(rows, RMSE)


# Coverage --------------------------------------------------------------------------------------

SCENARIOS = {  # variances of one seed's difference: of users, of the seed, of users at the seed
    "users alone": (1, 0, 0),
    "users dominate": (1, 0.05, 0.1),
    "seeds dominate": (0.05, 1, 0.05),
    "users over seeds": (1, 0.3, 0),
    "mixed": (1, 1, 1),
    "seeds over users": (1, 12, 0),
    "interaction": (0, 0, 1),
    "users and interaction": (1, 0, 1),
    "seeds and interaction": (0, 1, 1),
}
SKEWED = {
    "geometric": lambda generator, users: generator.geometric(0.1, users),
    "log-normal": lambda generator, users: np.ceil(generator.lognormal(2, 1, users)),
}


def study(generator, users, seeds, shares, rows="geometric", tasks=1, gains=(0.0,)):
    """For each task a side for each gain, and the side that they are gains over.

    A row's squared error is the user's difficulty times factors of mean 1, of the user, of the user
    at the seed, and the square of one of the seed. In the population a side's RMSE is the last
    side's times 1 minus its gain. Tasks share most of their users, and 60% of what users and seeds
    do.
    """
    of_users, of_seeds, of_both = np.sqrt(np.array(shares) / sum(shares))

    def partly(common):
        own = generator.normal(size=len(common))
        return math.sqrt(0.6) * common + math.sqrt(0.4) * own

    def factor(size, normal):
        return np.exp(size * normal - size**2 / 2)

    hard = generator.gamma(4, 1 / 4, users)
    suit = generator.normal(size=(len(gains), users))
    seeds_suit = generator.normal(size=(len(gains), seeds))
    found = []
    for task in range(tasks):
        ids = np.sort(generator.choice(users, int(users * (1 - 0.1 * task)), replace=False))
        counts = SKEWED[rows](generator, len(ids))
        base = (counts * hard[ids] * generator.gamma(8, 1 / 8, len(ids)))[:, None]
        # of a difference of root mean squared errors, what users of size 0.35 make it vary
        deviation = 0.5 * 0.35 * math.sqrt((base**2).sum()) / base.sum()
        level = 1 + generator.normal(0, 0.01, seeds)
        sides = []
        for gain, users_own, seeds_own in zip(gains, suit, seeds_suit, strict=True):
            own = factor(0.35 * of_users, partly(users_own[ids]))[:, None]
            noise = factor(0.35 * of_both, generator.normal(size=(len(ids), seeds)))
            moved = (1 - gain) * (level + deviation * of_seeds * partly(seeds_own))
            sides.append(scores(base * own * noise * moved**2, counts, ids))
        found.append((*sides, scores(base * level**2, counts, ids)))
    return found


def coverage(repetitions, interval, truth, **design):
    """How often the interval holds the truth, in percent."""
    generator = np.random.default_rng(0)
    found = (interval(study(generator, **design)) for _ in range(repetitions))
    return 100 * np.mean([each.low <= truth <= each.high for each in found])


def difference(pairs):
    return compare(pairs, RMSE).difference


def in_bounds(share, repetitions, errors=2):
    """Whether it may be 93% to 97%, with standard errors of a simulated 95% to each side."""
    error = errors * 100 * math.sqrt(0.95 * 0.05 / repetitions)
    return 93 - error <= share <= 97 + error


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("scenario", ["users dominate", "seeds dominate", "mixed", "interaction"])
def test_intervals_hold_the_truth_as_often_as_they_say(few_resamples, scenario, seeds):
    share = coverage(1000, difference, 0, users=60, seeds=seeds, shares=SCENARIOS[scenario])
    assert in_bounds(share, 1000)


def test_intervals_of_means_over_tasks_hold_the_truth(few_resamples):
    shares = SCENARIOS["mixed"]
    share = coverage(1000, difference, 0, users=60, seeds=3, shares=shares, tasks=3)
    assert in_bounds(share, 1000)


@pytest.mark.parametrize(
    ("gains", "truth", "interval"),
    [
        ((0.05,), 5, lambda pairs: compare(pairs, RMSE).improvement),
        # a gap so wide that it is always shown
        ((0.2, 0.4), 0.5, lambda tasks: recovered([(a, c, b) for a, b, c in tasks], RMSE)),
    ],
)
def test_intervals_of_ratios_hold_the_truth(few_resamples, gains, truth, interval):
    design = {"users": 60, "seeds": 3, "shares": SCENARIOS["mixed"], "gains": gains}
    assert in_bounds(coverage(1000, interval, truth, **design), 1000)


@pytest.mark.long
@pytest.mark.parametrize(
    ("users", "rows", "tasks"), [(60, "geometric", 1), (60, "log-normal", 3), (400, "geometric", 1)]
)
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_intervals_hold_the_truth_everywhere(scenario, seeds, users, rows, tasks):
    design = {"users": users, "rows": rows, "tasks": tasks, "seeds": seeds}
    share = coverage(3000, difference, 0, shares=SCENARIOS[scenario], **design)
    assert in_bounds(share, 3000, errors=3)  # of 108 some are two errors off by chance
