"""Tests of what is compared with what, and of the values that a report shows."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study_rows import GENRES, make_image_rows, make_row, make_rows
from tdrec.report.section import make_sections
from tdrec.studies.comparison import Scores, compare, recovered
from tdrec.studies.metric import ACCURACY, RMSE

LABELS = ("Bias", "Teacher", "Scratch", "LD", "TD k=1", "TD k=2")


def image_section(values, seeds=(0, 1, 2)):
    """From accuracies by task and label, one a seed; None diverged."""
    rows = [
        make_row(task, label, seed, value, "accuracy")
        for task, by_label in values.items()
        for label, of in by_label.items()
        for seed, value in zip(seeds, of, strict=False)
    ]
    (section,) = make_sections(rows, ACCURACY)
    return section


@pytest.fixture(scope="module")
def rows():
    return make_rows(LABELS, tasks=3, seeds=3, users=60)


@pytest.fixture(scope="module")
def section(rows):
    (found,) = make_sections(rows, RMSE, lambda _: {"Mean of two": ["War", "Drama"]})
    return found


def values_of(rows, task, label):
    return np.array([row.value for row in rows if (row.task, row.label) == (task, label)])


def test_labels_are_columns_and_tasks_begin_with_the_largest(section):
    assert tuple(label.name for label in section.labels) == LABELS
    assert [x.name for x in section.distilled] == ["LD", "TD k=1", "TD k=2"]
    assert section.tasks == GENRES[:3]
    assert section.places == (*GENRES[:3], "Mean of 3 tasks")  # War is not there
    assert section.rounds == {"TD k=1": 1, "TD k=2": 2}


@pytest.mark.parametrize("label", LABELS)
def test_values_are_means_and_standard_errors_over_seeds(rows, section, label):
    by_task = np.array([values_of(rows, task, label) for task in GENRES[:3]])
    for place, expected in [
        *zip(GENRES, by_task, strict=False),
        ("Mean of 3 tasks", by_task.mean(0)),
    ]:
        found = section.value(place, label)
        assert found.mean == pytest.approx(expected.mean(), rel=1e-12)
        assert found.runs == len(expected) and found.diverged == 0
        if len(expected) == 1:
            assert found.error is None
        else:
            assert found.error == pytest.approx(stats.sem(expected), rel=1e-9)


def test_a_student_is_compared_with_scratch_bias_best_and_default(rows, section):
    def scores(task, label):
        return Scores.of([x for x in rows if (x.task, x.label) == (task, label)], RMSE)

    tasks = {**{task: [task] for task in GENRES[:3]}, "Mean of 3 tasks": GENRES[:3]}
    for place, of in tasks.items():
        for label in LABELS[2:]:
            rmse = {x: np.mean([values_of(rows, t, x).mean() for t in of]) for x in LABELS}
            others = ("TD k=1", "TD k=2") if label == "LD" else ("LD",)
            wanted = {"bias": "Bias"}
            if label != "Scratch":
                wanted |= {"scratch": "Scratch", "best": min(others, key=rmse.__getitem__)}
            if label == "TD k=1":
                wanted["default"] = "TD k=2"
            for kind, versus in section.versus.items():
                found = versus.get((place, label))
                assert (found and found.other) == wanted.get(kind)
                if found:
                    pairs = [(scores(t, label), scores(t, found.other)) for t in of]
                    names = {"place": place, "label": label, "other": found.other}
                    assert found == compare(pairs, RMSE, **names)
        triples = [[scores(t, x) for x in ("LD", "Scratch", "Teacher")] for t in of]
        assert section.recovered.get((place, "LD")) == recovered(triples, RMSE)
    share = section.recovered["Mean of 3 tasks", "LD"].value
    mean = {x: np.mean([values_of(rows, t, x).mean() for t in GENRES[:3]]) for x in LABELS}
    gap = mean["Scratch"] - mean["Teacher"]
    assert share == pytest.approx((mean["Scratch"] - mean["LD"]) / gap, rel=1e-9)


def test_intervals_over_seeds_are_students_and_higher_is_better():
    draw = np.random.default_rng(0)
    values = {"a": {x: draw.uniform(0.5, 0.9, 4).tolist() for x in ("Scratch", "LD", "FD")}}
    section = image_section(values, range(4))
    gain = np.subtract(values["a"]["LD"], values["a"]["Scratch"])
    half = stats.t.ppf(0.975, 3) * stats.sem(gain)
    found = section.versus["scratch"]["a", "LD"]
    assert found.difference.low == pytest.approx(gain.mean() - half)
    assert found.improvement.value == pytest.approx(
        100 * gain.mean() / np.mean(values["a"]["Scratch"])
    )
    best = max(("LD", "FD"), key=lambda x: np.mean(values["a"][x]))
    assert section.best("a", section.distilled).name == best


def test_means_are_over_all_tasks_and_over_those_that_all_students_have():
    section = image_section(
        {
            "a": {"Scratch": [0.5, 0.6], "LD": [0.6, 0.8], "FD": [0.3, 0.3]},
            "b": {"Scratch": [0.7, 0.6], "LD": [0.8, 0.9], "FD": [0.3, 0.4]},
            "c": {"Scratch": [0.1, 0.2], "FD": [0.3, 0.5]},
        }
    )
    assert section.means == {
        "Mean of 3 tasks": ("a", "b", "c"),
        "Mean of 2 common tasks": ("a", "b"),
    }
    assert section.value("Mean of 3 tasks", "LD") is None
    assert section.value("Mean of 2 common tasks", "LD").mean == pytest.approx(0.775)
    assert section.overall_versus("scratch", "LD").place == "Mean of 2 common tasks"
    assert section.overall_versus("scratch", "FD").place == "Mean of 3 tasks"
    assert section.overall_versus("best", "FD").place == "Mean of 2 common tasks"


def test_a_diverged_run_leaves_no_figure_and_no_comparison():
    section = image_section(
        {
            "a": {"Scratch": [0.5, 0.6], "LD": [0.6, None], "FD": [0.3, 0.3]},
            "b": {"Scratch": [0.7, 0.6], "LD": [0.8, 0.9], "FD": [0.3, 0.4]},
        }
    )
    value = section.value("a", "LD")
    assert (value.mean, value.runs, value.diverged) == (None, 2, 1)
    assert section.value("Mean of 2 tasks", "LD") is None
    compared = {key for versus in section.versus.values() for key in versus}
    assert ("b", "LD") in compared and not {("a", "LD"), ("Mean of 2 tasks", "LD")} & compared
    assert section.versus["best"].get(("a", "FD")) is None  # nothing is left to be the best
    assert section.overall == ("Mean of 2 tasks",)  # one common task makes no mean


def test_further_means_are_shown_and_judge_nothing(rows):
    (section,) = make_sections(rows, RMSE, lambda _: {"Mean of two": ["Drama", "Comedy"]})
    assert section.places[-2:] == ("Mean of 3 tasks", "Mean of two")
    assert section.overall == ("Mean of 3 tasks",)
    assert ("Mean of two", "LD") in section.versus["scratch"]


def test_sections_are_of_one_preset_and_setting_in_order():
    names = [
        *(("strong", "noisy teacher"), ("strong", "10% of the rows"), ("strong", "")),
        *(("strong", "2.5% of the rows"), ("paper", "")),
    ]
    rows = [
        make_row("a", label, 0, i / 10, "accuracy", preset=preset, setting=setting)
        for i, (preset, setting) in enumerate(names)
        for label in ("Scratch", "LD")
    ]
    sections = make_sections(rows, ACCURACY)
    assert [x.title for x in sections] == [
        *("Paper preset", "Strong preset", "Strong preset: 2.5% of the rows"),
        *("Strong preset: 10% of the rows", "Strong preset: noisy teacher"),
    ]
    for section in sections:
        assert len(section.rows) == 2
        assert section.versus["scratch"]["a", "LD"].difference.value == 0


def test_of_a_repeated_run_the_last_counts():
    rows = [make_row("a", "LD", 0, 0.5, "accuracy"), make_row("a", "LD", 0, 0.75, "accuracy")]
    (section,) = make_sections(rows, ACCURACY)
    assert section.value("a", "LD").mean == 0.75 and len(section.rows) == 1


ROW = make_row("a", "TD k=2", 0, 0.5, "accuracy")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row. Received: none"),
        ([ROW, replace(ROW, study="other")], "one study.*Received: rows of other, table3"),
        ([replace(ROW, metric="recall")], "judged by accuracy.*Received: .* by recall"),
        ([ROW, replace(ROW, method="ld", seed=1)], "one arm. Received: 'TD k=2' for"),
        ([ROW, replace(ROW, variant=True, seed=1)], "one arm. Received: 'TD k=2' for"),
        ([ROW, replace(ROW, key="other")], "must name one run.*'a', 'TD k=2', seed 0"),
        ([ROW, replace(ROW, seed=1, arguments={"rounds": 1})], "a label one arm.*seed 1"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(rows, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make_sections(rows, ACCURACY)


def test_image_rows_without_labels_have_no_value_there():
    (section,) = make_sections(make_image_rows(classes=()), ACCURACY)
    assert section.value("cifar10:living", "LD") is None
    assert section.value("cifar10:living", "Teacher") is None
    assert "Mean of 2 common tasks" in section.means
