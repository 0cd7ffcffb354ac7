"""Tests of which rows a study compares with which, and that it uses the users' errors of both."""

import copy
import random

import numpy as np
import pytest

from result_rows import make_study_rows
from tdrec.statistics import UserErrors, compare
from tdrec.study_summary import (
    MEAN,
    SPARSE,
    share_of_rows,
    summarise_study,
    tuned_values,
)

FEW = ("Bias", "Scratch", "LD", "TD k=2")


def rows_of(**changes):
    return make_study_rows(**{"labels": FEW, "genres": 2, "seeds": 2, "users": 40} | changes)


def errors(rows, genre, label):
    chosen = [row for row in rows if (row["genre"], row["label"]) == (genre, label)]
    users = [row["by_user"] for row in sorted(chosen, key=lambda row: row["seed"] or 0)]
    squared = np.array([user["squared_error"] for user in users]).T
    return UserErrors(np.array(users[0]["ids"]), np.array(users[0]["rows"]), squared)


def only(rows):
    (section,) = summarise_study(rows).sections
    return section


def test_duels_compare_the_errors_of_both_sides():
    rows = rows_of()
    section = only(random.Random(0).sample(rows, len(rows)))
    for duels, other, labels in (
        (section.scratch, "Scratch", ("LD", "TD k=2")),
        (section.bias, "Bias", ("Scratch", "LD", "TD k=2")),
    ):
        assert tuple(duels) == labels
        for label in labels:
            pairs = {}
            for genre in ("Drama", "Comedy"):
                pairs[genre] = (errors(rows, genre, label), errors(rows, genre, other))
                duel = duels[label][genre]
                assert duel.other == other
                assert duel.comparison == compare([pairs[genre]])
            assert duels[label][MEAN].comparison == compare(list(pairs.values()))


def test_differences_are_those_of_the_summary():
    section = only(rows_of(genres=3, seeds=3))
    for genre in section.summary.genres:
        for label, places in section.scratch.items():
            cell, comparison = genre.cells[label], places[genre.name].comparison
            assert comparison.difference.value == pytest.approx(cell.difference, abs=1e-12)
            assert comparison.improvement.value == pytest.approx(cell.improvement, abs=1e-9)


def test_the_best_other_method_is_the_one_of_lowest_mean_rmse():
    rows = rows_of(labels=("Scratch", "LD", "Hybrid", "TD k=1", "TD k=2"), genres=3)
    section = only(rows)
    for genre in section.summary.genres:
        means = {label: genre.cells[label].rmse for label in genre.cells}
        for label, places in section.best.items():
            td = label.startswith("TD")
            others = ["LD", "Hybrid"] if td else {"LD", "Hybrid", "TD k=1", "TD k=2"} - {label}
            assert places[genre.name].other == min(others, key=means.__getitem__)
    totals = {label: total.rmse for label, total in section.summary.totals.items()}
    assert section.best["TD k=2"][MEAN].other == min(("LD", "Hybrid"), key=totals.__getitem__)


def test_where_all_are_of_one_method_its_other_labels_are_the_others():
    section = only(rows_of(labels=("Scratch", "TD k=0", "TD k=1")))
    assert section.best["TD k=0"]["Drama"].other == "TD k=1"
    assert section.rounds == {"TD k=0": 0, "TD k=1": 1}
    alone = only(rows_of(labels=("Scratch", "LD")))
    assert alone.best == {"LD": {}}


def test_variants_are_compared_with_their_methods_default():
    rows = rows_of(labels=("Scratch", "LD", "TD k=0", "TD k=2", "TD k=3"))
    for row in rows:
        if row["label"] == "TD k=3":
            row["label"] = "A variant of TD"  # comes first in the alphabet, and is not the default
    section = only(rows)
    assert set(section.default) == {"A variant of TD", "TD k=0"}
    for label, places in section.default.items():
        pairs = []
        for genre in ("Drama", "Comedy"):
            pairs.append(tuple(errors(rows, genre, x) for x in (label, "TD k=2")))
            assert places[genre].other == "TD k=2"
            assert places[genre].comparison == compare([pairs[-1]])
        assert places[MEAN].comparison == compare(pairs)


def test_variants_without_their_methods_default_are_compared_with_none():
    assert only(rows_of(labels=("Scratch", "LD", "TD k=0", "TD k=1"))).default == {}
    rows = rows_of(labels=("Scratch", "TD k=1", "TD k=2"))
    for row in rows:
        row["method"] = {"td": "mine"}.get(row["method"], row["method"])
    assert only(rows).default == {}  # a method that is not tdrec's has no default


def test_a_mean_over_the_four_sparsest_needs_all_four():
    eight = only(rows_of(labels=("Scratch", "LD"), genres=8, seeds=1))
    assert SPARSE in eight.scratch["LD"]
    cells = [genre.cells["LD"].improvement for genre in eight.summary.genres]
    sparse = eight.scratch["LD"][SPARSE].comparison.improvement.value
    assert sparse == pytest.approx(np.mean(cells[4:]))
    assert SPARSE not in only(rows_of(genres=7, seeds=1)).scratch["LD"]


def test_seeds_are_paired_over_those_that_both_have():
    rows = rows_of(labels=("Scratch", "LD"), genres=1, seeds=3)
    kept = [row for row in rows if (row["label"], row["seed"]) not in {("LD", 0), ("Scratch", 2)}]
    duel = only(kept).scratch["LD"]["Drama"]
    both = [
        errors([row for row in rows if row["seed"] == 1], "Drama", x) for x in ("LD", "Scratch")
    ]
    assert duel.comparison == compare([tuple(both)])
    apart = [row for row in rows if (row["label"] == "LD") == (row["seed"] == 0)]
    assert only(apart).scratch == {"LD": {}}


def test_a_run_that_was_repeated_counts_once():
    rows = rows_of()
    first, again = copy.deepcopy(rows[5]), rows[5]
    first["by_user"]["squared_error"] = [1.0] * len(first["by_user"]["ids"])
    assert only([first, *rows]).scratch == only(rows).scratch
    assert again in only(rows).rows


def test_a_diverged_run_is_compared_with_nothing_and_keeps_its_genre_out_of_the_mean():
    rows = rows_of()
    for row in rows:
        if (row["genre"], row["label"], row["seed"]) == ("Drama", "LD", 1):
            row["rmse"] = None
            del row["by_user"]
    section = only(rows)
    assert "Drama" not in section.scratch["LD"] and "Drama" not in section.best["TD k=2"]
    assert section.summary.complete == ("Comedy",)
    td = section.scratch["TD k=2"]
    assert td[MEAN].comparison == td["Comedy"].comparison and "Drama" in td


def test_regimes_and_settings_are_apart_and_in_order():
    settings = ("noisy teacher", "100% of the rows", "5% of the rows", "", "10% of the rows")
    rows = [
        row
        for regime in ("strong", "paper")
        for setting in settings
        for row in rows_of(labels=("Scratch",), genres=1, regime=regime, setting=setting)
    ]
    titles = [section.title for section in summarise_study(rows).sections]
    assert titles[:5] == [
        "Paper regime",
        "Paper regime: 5% of the rows",
        "Paper regime: 10% of the rows",
        "Paper regime: 100% of the rows",
        "Paper regime: noisy teacher",
    ]
    assert titles[5] == "Strong regime"


@pytest.mark.parametrize(
    ("setting", "share"),
    [
        ("", 1.0),
        ("10% of the rows", 0.1),
        ("2.5 % of the rows", 0.025),
        ("noisy teacher", None),
        ("10% of the rows, noisy teacher", None),
    ],
)
def test_shares_of_rows(setting, share):
    assert share_of_rows(setting) == share


def test_genres_with_the_same_tuned_values_stand_together():
    rows = rows_of(genres=3)
    for row in rows:
        if row["label"] == "LD" and row["genre"] == "Comedy":
            row["tuned"] = {"weight": 3.0}
    found = {label.name: lines for label, lines in tuned_values(only(rows))}
    assert list(found) == ["Scratch", "LD", "TD k=2"]
    assert [genres for genres, _ in found["Scratch"]] == ["all genres"]
    assert [genres for genres, _ in found["LD"]] == ["Drama, Action", "Comedy"]
    assert found["LD"][1][1] == {"weight": 3.0}


def changed(**changes):
    rows = rows_of(labels=("Scratch", "LD"), genres=1)
    rows[-1] |= changes
    return rows


def without(field):
    rows = changed()
    del rows[-1][field]
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"one study. Received: 0 rows of \[\]. Run a study first"),
        (changed(study="table5"), r"one study. Received: 4 rows of \['table3', 'table5'\]"),
        (without("regime"), r"must have \['regime'\]. Received: a row with .*tdrec.study"),
        (without("by_user"), "by_user with ids, rows.*Received: one of 'LD' on 'Drama' without"),
        (changed(rmse=1.5), "give the row's rmse. Received: .* and 1.500000 as rmse of 'LD' on"),
        (
            changed(by_user={"ids": [1, 2], "rows": [1, 1], "squared_error": [1.0, 1.0]}),
            "same users. Received: others among those of 'LD' on 'Drama'",
        ),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        summarise_study(rows)


def test_a_summary_leaves_its_rows_alone():
    rows = rows_of(genres=1)
    before = copy.deepcopy(rows)
    summarise_study(rows)
    assert rows == before
