"""Tests of a study's plots: they show the comparisons, and nothing where there are none."""

import re

import pytest

from result_rows import make_study_rows
from tdrec import drawing, study_plots
from tdrec.study_summary import MEAN, SPARSE, summarise_study

ROUNDS = ("Scratch", "TD k=0", "TD k=1", "TD k=2")


def sections_of(labels, **changes):
    rows = make_study_rows(labels, **{"genres": 2, "seeds": 2, "users": 40} | changes)
    return summarise_study(rows).sections


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_a_forest_plot_names_every_place_and_distilled_label():
    (section,) = sections_of(("Bias", "Scratch", "LD", "TD k=2"), genres=8, seeds=1)
    svg = study_plots.differences(section, section.scratch, "scratch")
    assert {*section.places, MEAN, SPARSE, "LD", "TD k=2"} <= set(texts(svg))
    assert not {"Bias", "Scratch"} & set(texts(svg))
    assert set(re.findall(r"var\(--(\w+)\)", svg)) <= set(drawing.PALETTE)
    intervals = re.findall(r'id="[^"]*LineCollection_\d+"', svg)
    assert len(intervals) == 2  # one collection of ten intervals for each label
    assert 'id="scratch-' in svg


def test_nothing_to_compare_draws_nothing():
    (section,) = sections_of(("Bias", "Scratch"))
    assert study_plots.differences(section, section.scratch, "scratch") == ""
    assert study_plots.rounds_curve(section) == ""
    assert study_plots.share_curves([section]) == ()


def test_rounds_are_drawn_where_there_are_several():
    (section,) = sections_of(ROUNDS)
    shown = texts(study_plots.rounds_curve(section))
    assert {"0", "1", "2", "each genre"} <= set(shown)
    (single,) = sections_of(ROUNDS[:2])
    assert study_plots.rounds_curve(single) == ""


def test_rounds_that_several_labels_have_are_no_curve():
    rows = make_study_rows(ROUNDS, genres=1, seeds=1, users=30)
    for row in rows:
        if "rounds" in row:
            row["rounds"] = min(row["rounds"], 1)
    (section,) = summarise_study(rows).sections
    assert study_plots.rounds_curve(section) == ""


def test_shares_of_rows_are_drawn_in_order_and_other_settings_are_not():
    rows = []
    for setting in ("25% of the rows", "5% of the rows", "", "noisy teacher"):
        rows += make_study_rows(
            ("Bias", "Scratch", "LD"), genres=1, seeds=1, users=30, setting=setting
        )
    rmse, improvement = study_plots.share_curves(summarise_study(rows).sections)
    assert [text for text in texts(rmse) if text.endswith("%")] == ["5%", "25%", "100%"]
    assert {"Bias", "Scratch", "LD"} <= set(texts(rmse))
    assert "LD" in texts(improvement) and "Scratch" not in texts(improvement)


@pytest.mark.parametrize("broken", ["Drama", "Comedy"])
def test_a_label_without_a_place_is_left_out_there(broken):
    rows = make_study_rows(("Scratch", "LD", "TD k=2"), genres=2, seeds=1, users=30)
    kept = [row for row in rows if (row["label"], row["genre"]) != ("LD", broken)]
    (section,) = summarise_study(kept).sections
    assert "LD" in texts(study_plots.differences(section, section.scratch, "scratch"))
