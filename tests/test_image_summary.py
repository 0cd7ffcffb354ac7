"""Tests of the numbers of image tasks, against SciPy's paired t-test and NumPy."""

import math
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from image_rows import make_image_row, make_image_rows
from tdrec.image_summary import compare, summarise_images, t_quantile

SHARES = st.floats(0, 1, allow_subnormal=False)
PAIRS = st.lists(st.tuples(SHARES, SHARES), min_size=2, max_size=8)


def accuracies(rows, task, label):
    found = {r["seed"]: r["accuracy"] for r in rows if (r["task"], r["label"]) == (task, label)}
    return np.array([found[seed] for seed in sorted(found)])


def runs(label, values, task="cifar10", **changes):
    return [make_image_row(task, label, seed, x, **changes) for seed, x in enumerate(values)]


def check_t_test(difference, one, other):
    """A difference against SciPy's paired t-test."""
    expected = scipy.stats.ttest_rel(one, other).confidence_interval(0.95)
    assert difference.n == len(one)
    assert difference.value == pytest.approx(np.mean(one - other))
    assert difference.interval.low == pytest.approx(expected.low)
    assert difference.interval.high == pytest.approx(expected.high)


def test_tasks_keep_their_order_and_labels_have_that_of_methods():
    rows = make_image_rows(("b", "a"), ("TD k=2", "FD", "Scratch", "Teacher", "LD"), seeds=2)
    summary = summarise_images(rows)
    assert [task.name for task in summary.tasks] == ["b", "a"]
    assert [label.name for label in summary.labels] == ["Teacher", "Scratch", "LD", "FD", "TD k=2"]
    assert [label.name for label in summary.distilled] == ["LD", "FD", "TD k=2"]
    assert (summary.tasks[0].n_train, summary.tasks[0].n_test) == (400, 10000)
    assert summary.tasks[0].classes[0] == "airplane"
    assert summary.teacher_cost.params == 86_000_000


def test_means_errors_and_differences_are_scipys():
    rows = make_image_rows(seeds=5)
    summary = summarise_images(rows)
    place = summary.places[0]
    values = {label: accuracies(rows, "cifar10", label) for label in ("Scratch", "FD", "TD k=2")}
    for label, expected in values.items():
        cell = place.cells[label]
        assert (cell.n, cell.accuracy) == (5, pytest.approx(expected.mean()))
        assert cell.se == pytest.approx(scipy.stats.sem(expected))
    check_t_test(place.cells["TD k=2"].scratch, values["TD k=2"], values["Scratch"])
    check_t_test(place.difference("TD k=2", "FD"), values["TD k=2"], values["FD"])
    assert place.cells["Scratch"].scratch is None and place.cells["Teacher"].scratch is None
    assert place.cells["Teacher"].se is None and place.difference("TD k=2", "Teacher") is None
    assert [label for label, cell in place.cells.items() if cell.best] == ["TD k=2"]


def test_a_mean_over_tasks_is_taken_at_each_seed_first():
    rows = make_image_rows(without_labels=())
    summary = summarise_images(rows)
    (mean,) = summary.means
    one, other = (
        np.mean([accuracies(rows, task.name, label) for task in summary.tasks], 0)
        for label in ("TD k=2", "Hybrid")
    )
    assert mean.name == "Mean of 3 tasks" and len(mean.tasks) == 3
    assert mean.cells["TD k=2"].accuracy == pytest.approx(one.mean())
    assert mean.cells["TD k=2"].se == pytest.approx(scipy.stats.sem(one))
    check_t_test(mean.difference("TD k=2", "Hybrid"), one, other)


def test_what_lacks_a_task_has_no_mean_over_all_but_one_over_the_common_tasks():
    rows = make_image_rows()
    summary = summarise_images(rows)
    every, common = summary.means
    assert {"LD", "Hybrid", "Teacher"}.isdisjoint(every.cells) and "TD k=2" in every.cells
    assert common.tasks == ("cifar10", "cifar100") and common.name == "Mean of 2 common tasks"
    assert {label.name for label in summary.labels} == set(common.cells)
    assert every.difference("TD k=2", "LD") is None
    one, other = (
        np.mean([accuracies(rows, task, label) for task in common.tasks], 0)
        for label in ("TD k=2", "LD")
    )
    check_t_test(common.difference("TD k=2", "LD"), one, other)


def test_one_common_task_is_its_own_mean():
    rows = make_image_rows(("a", "b"), without_labels=("b",))
    assert [place.name for place in summarise_images(rows).means] == ["Mean of 2 tasks"]
    assert summarise_images(make_image_rows(("a",))).means == ()


def test_a_seed_that_one_task_lacks_is_left_out_of_the_mean_only():
    rows = make_image_rows(("a", "b"), ("Scratch", "FD"), seeds=4, without_labels=())
    rows = [r for r in rows if (r["task"], r["label"], r["seed"]) != ("b", "FD", 0)]
    summary = summarise_images(rows)
    assert [place.cells["FD"].n for place in summary.places] == [4, 3, 3]
    assert [place.cells["FD"].scratch.n for place in summary.places] == [4, 3, 3]
    assert summary.most_runs == 4


def test_one_seed_has_a_difference_and_no_interval():
    summary = summarise_images(runs("Scratch", [0.7]) + runs("FD", [0.75]))
    cell = summary.places[0].cells["FD"]
    assert cell.se is None and cell.scratch.interval is None
    assert cell.verdict == "one seed" and cell.scratch.value == pytest.approx(0.05)


def test_verdicts_follow_the_interval():
    rows = runs("Scratch", [0.70, 0.71, 0.72])
    rows += runs("FD", [0.75, 0.76, 0.775]) + runs("LD", [0.60, 0.61, 0.625])
    rows += runs("FitNet", [0.60, 0.75, 0.80]) + runs("TD k=2", [0.70, 0.71, 0.72])
    cells = summarise_images(rows).places[0].cells
    verdicts = {label: cell.verdict for label, cell in cells.items() if cell.scratch}
    assert verdicts == {"FD": "better", "LD": "worse", "FitNet": "unclear", "TD k=2": "unclear"}


@pytest.mark.parametrize("accuracy", [None, math.nan, math.inf])
def test_a_diverged_run_leaves_no_mean_and_no_difference(accuracy):
    rows = make_image_rows(("a", "b"), ("Scratch", "LD", "FD"), without_labels=())
    rows[-1]["accuracy"] = accuracy
    summary = summarise_images(rows)
    for place in (summary.places[1], summary.means[0]):
        cell = place.cells["FD"]
        assert math.isnan(cell.accuracy) and cell.se is None and cell.scratch is None
        assert not cell.best and any(other.best for other in place.cells.values())
    assert summary.places[0].cells["FD"].scratch is not None


def test_without_scratch_methods_can_still_be_compared():
    summary = summarise_images(runs("FD", [0.7, 0.72]) + runs("TD k=2", [0.75, 0.76]))
    place = summary.places[0]
    assert all(cell.scratch is None and cell.verdict is None for cell in place.cells.values())
    assert place.difference("TD k=2", "FD").n == 2
    assert place.difference("TD k=2", "Scratch") is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row"),
        ([{"task": "a", "method": "fd", "label": "FD"}], "Every row must have.*'accuracy'"),
        (runs("FD", [71.2]), "share of evaluation images.*71.2 of 'FD' in 'cifar10'"),
        (runs("FD", [-0.1]), "share of evaluation images"),
        (runs("FD", [0.7]) + runs("FD", [0.7], method="td"), "must stand for one method"),
        (runs("FD", [0.7]) + runs("FD", [0.7], key="2"), "Task, label and seed must name one run"),
    ],
)
def test_rows_that_cannot_be_summarised(rows, message):
    with pytest.raises(ValueError, match=message):
        summarise_images(rows)


def test_of_one_run_written_twice_the_last_counts():
    rows = runs("FD", [0.7]) + runs("FD", [0.8])
    assert summarise_images(rows).places[0].cells["FD"].runs == {0: 0.8}


@pytest.mark.parametrize("degrees", [1, 2, 4, 30])
def test_the_quantile_is_students(degrees):
    assert t_quantile(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees))


def test_without_scipy_intervals_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    assert compare({0: 0.7}, {0: 0.6}).n == 1
    with pytest.raises(ImportError, match=r"pip install 'tdrec\[images\]'"):
        compare({0: 0.7, 1: 0.7}, {0: 0.6, 1: 0.5})


@given(PAIRS)
def test_what_two_swap_changes_its_sign(pairs):
    one, other = (dict(enumerate(values)) for values in zip(*pairs, strict=True))
    forth, back = compare(one, other), compare(other, one)
    assert forth.value == -back.value
    assert forth.interval.low == -back.interval.high
    opposite = {"better": "worse", "worse": "better", "unclear": "unclear"}
    assert forth.verdict == opposite[back.verdict]


@given(PAIRS, st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_what_a_seed_gives_to_both_cancels(pairs, shifts):
    one, other = (dict(enumerate(values)) for values in zip(*pairs, strict=True))
    plain = compare(one, other)
    moved = compare(*({s: x + shifts[s] for s, x in runs.items()} for runs in (one, other)))
    assert moved.value == pytest.approx(plain.value, abs=1e-12)
    assert moved.interval.low == pytest.approx(plain.interval.low, abs=1e-11)
