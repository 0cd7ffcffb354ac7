"""Tests of the numbers: each is computed a second time, another way."""

import copy
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from result_rows import LABELS, make_row, make_study
from tdrec.summary import mean_and_error, summarise


def values(rows, genre, label, field="rmse"):
    chosen = [row for row in rows if row["genre"] == genre and row["label"] == label]
    return np.array([row[field] for row in sorted(chosen, key=lambda row: row["seed"] or 0)])


def test_summary_agrees_with_numpy():
    rows = make_study()
    summary = summarise(random.Random(0).sample(rows, len(rows)))
    students = [label for label, method in LABELS.items() if method not in ("bias", "teacher")]
    for genre in summary.genres:
        scratch = values(rows, genre.name, "Scratch")
        means = {label: values(rows, genre.name, label).mean() for label in LABELS}
        assert genre.cells.keys() == means.keys()
        for label, cell in genre.cells.items():
            own = values(rows, genre.name, label)
            assert cell.n == len(own)
            assert cell.rmse == pytest.approx(np.sum(own) / len(own))
            cold = values(rows, genre.name, label, "rmse_cold")
            warm = values(rows, genre.name, label, "rmse_warm")
            assert cell.rmse_cold == pytest.approx(np.mean(cold))
            assert cell.rmse_warm == pytest.approx(np.mean(warm))
            if label in students:
                variance = np.sum((own - own.mean()) ** 2) / (len(own) - 1)
                assert cell.se == pytest.approx(np.sqrt(variance / len(own)))
            else:
                assert cell.se is None
            assert cell.best == (label == min(students, key=means.__getitem__))
            assert cell.beats_bias == (None if label == "Bias" else means[label] < means["Bias"])
            if label == "Scratch":
                assert cell.improvement is None and cell.verdict is None and not cell.hurt
                continue
            improvement = 100 * (1 - own.mean() / scratch.mean())
            assert cell.improvement == pytest.approx(improvement)
            if label in students:
                paired = own - scratch
                error = np.sqrt(np.cov(paired) / len(paired))
                assert cell.difference == pytest.approx(paired.mean())
                assert cell.difference_se == pytest.approx(error)
                assert cell.improvement_se == pytest.approx(100 * error / scratch.mean())
                assert cell.hurt == (paired.mean() > error)
                shown = "better" if paired.mean() < 0 else "worse"
                assert cell.verdict == (shown if abs(paired.mean()) > 2 * error else "unclear")
            else:
                assert cell.difference is None and not cell.hurt


def test_totals_agree_with_numpy():
    rows = make_study(genres=5, generator=3)
    summary = summarise(rows)
    for label, total in summary.totals.items():
        cells = [genre.cells[label] for genre in summary.genres]
        assert total.rmse == pytest.approx(np.mean([cell.rmse for cell in cells]))
        if label not in ("Bias", "Teacher"):
            errors = np.array([cell.se for cell in cells])
            assert total.se == pytest.approx(np.sqrt(np.sum(errors**2)) / 5)
        assert total.beats_bias + total.loses_to_bias == (0 if label == "Bias" else 5)
    assert sum(total.best for total in summary.totals.values()) == 5
    for label in ("LD", "TD k=2"):
        total = summary.totals[label]
        assert total.better + total.worse + total.unclear == 5
        assert total.improvement == pytest.approx(
            np.mean([genre.cells[label].improvement for genre in summary.genres])
        )


rmses = st.floats(0.5, 2.0)


@given(st.lists(rmses, min_size=2, max_size=8), st.floats(0.1, 10), st.floats(-1, 1))
def test_standard_error_scales_and_does_not_shift(numbers, scale, shift):
    mean, error = mean_and_error(numbers)
    moved_mean, moved_error = mean_and_error([scale * x + shift for x in numbers])
    assert moved_mean == pytest.approx(scale * mean + shift, abs=1e-9)
    assert moved_error == pytest.approx(scale * error, abs=1e-9)
    assert error <= np.ptp(numbers) / math.sqrt(2) + 1e-12


@settings(max_examples=50)
@given(st.lists(st.tuples(rmses, rmses), min_size=1, max_size=6), st.floats(0.5, 2.0))
def test_improvement_has_the_sign_and_not_the_scale_of_the_difference(pairs, scale):
    def cell(factor):
        rows = []
        for seed, (scratch, td) in enumerate(pairs):
            rows.append(make_row(seed=seed, rmse=factor * scratch))
            rows.append(make_row(label="TD k=1", seed=seed, rmse=factor * td))
        return summarise(rows).genres[0].cells["TD k=1"]

    once, scaled = cell(1.0), cell(scale)
    assert scaled.improvement == pytest.approx(once.improvement, abs=1e-7)
    base = np.mean([scratch for scratch, _ in pairs])
    assert once.improvement == pytest.approx(-100 * once.difference / base, abs=1e-9)
    assert not (once.hurt and once.improvement > 0)
    assert not (once.hurt and once.verdict == "better")


@given(rmses)
def test_a_method_that_equals_scratch_neither_helps_nor_hurts(rmse):
    rows = [make_row(label=x, seed=s, rmse=rmse) for x in ("Scratch", "LD") for s in range(3)]
    cell = summarise(rows).genres[0].cells["LD"]
    assert (cell.improvement, cell.verdict, cell.hurt) == (0, "unclear", False)


@pytest.mark.parametrize(("rmse", "hurt"), [(1.01, True), (1.0, False), (0.99, False)])
def test_one_seed_has_no_error_and_shows_nothing(rmse, hurt):
    rows = [make_row(rmse=1.0), make_row(label="LD", rmse=rmse)]
    cell = summarise(rows).genres[0].cells["LD"]
    assert (cell.se, cell.difference_se, cell.verdict, cell.hurt) == (None, None, "one seed", hurt)


def test_differences_are_paired_over_the_seeds_that_both_have():
    rows = [make_row(seed=s, rmse=1.0 + s) for s in (0, 1, 2)]
    rows += [make_row(label="LD", seed=s, rmse=1.1 + s) for s in (1, 2, 3)]
    cell = summarise(rows).genres[0].cells["LD"]
    assert cell.difference == pytest.approx(0.1)
    assert cell.difference_se == pytest.approx(0, abs=1e-12)
    assert cell.rmse == pytest.approx(3.1)
    assert cell.hurt


def test_genres_come_densest_first_and_labels_in_the_order_of_methods():
    rows = [make_row("Sparse", n_train=10), make_row("Dense", n_train=99)]
    rows += [make_row(label=label) for label in ("TD k=2", "own", "Bias", "TD k=1", "Teacher")]
    rows[3]["method"] = "my method"
    summary = summarise(rows)
    assert [genre.name for genre in summary.genres] == ["War", "Dense", "Sparse"]
    names = [label.name for label in summary.labels]
    assert names == ["Bias", "Teacher", "Scratch", "TD k=1", "TD k=2", "own"]


def test_means_cover_complete_genres_only():
    rows = [row for row in make_study() if (row["genre"], row["label"]) != ("Genre-1", "FD")]
    summary = summarise(rows)
    assert summary.complete == ("Genre-0", "Genre-2")
    cells = [summary.genres[i].cells["LD"].rmse for i in (0, 2)]
    assert summary.totals["LD"].rmse == pytest.approx(np.mean(cells))
    assert summary.totals["LD"].genres == 3 and summary.totals["FD"].genres == 2


@pytest.mark.parametrize("rmse", [None, math.nan, math.inf])
def test_a_diverged_run_is_counted_and_never_best(rmse):
    rows = [make_row(seed=0), make_row(seed=1)]
    rows += [make_row(label="LD", seed=0, rmse=0.5), make_row(label="LD", seed=1)]
    rows[-1]["rmse"] = rmse
    summary = summarise(rows)
    cell = summary.genres[0].cells["LD"]
    assert not cell.best and cell.improvement is None and cell.verdict is None
    assert summary.totals["LD"].diverged == 1 and summary.complete == ()


def test_costs_are_medians_over_runs():
    rows = [make_row(seed=seed, latency_ms=latency) for seed, latency in enumerate((1, 2, 9, None))]
    cost = summarise(rows).costs["Scratch"]
    assert cost.latency_ms == 2 and cost.params == 61234


def test_a_run_that_was_repeated_counts_once_and_the_later_one_counts():
    rows = [make_row(rmse=2.0), make_row(rmse=1.0)]
    cell = summarise(rows).genres[0].cells["Scratch"]
    assert (cell.n, cell.rmse) == (1, 1.0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row. Received: none"),
        ([{"genre": "War"}], r"must have \['label', 'method'.*Received: a row with \['genre'\]"),
        ([make_row(), make_row(seed=1, method="ld")], "stand for one method. Received: label 'Scr"),
        (
            [make_row(), make_row(key="other")],
            "name one run. Received: two different runs of 'War'",
        ),
    ],
)
def test_rows_that_cannot_be_summarised_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        summarise(rows)


def test_summary_leaves_its_rows_alone():
    rows = make_study(genres=1)
    before = copy.deepcopy(rows)
    summarise(rows)
    assert rows == before
