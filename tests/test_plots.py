"""Tests of the plots as SVG: well-formed, coloured by the page, the same every time, complete."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest

from result_rows import LABELS, make_row, make_study
from tdrec import drawing, plots
from tdrec.summary import summarise

NAMESPACES = {"xmlns": "http://www.w3.org/2000/svg", "xmlns:xlink": "http://www.w3.org/1999/xlink"}


def draw_all(rows):
    summary = summarise(rows)
    return {
        "rmse": plots.rmse_by_genre(summary),
        "improvement": plots.improvement_by_genre(summary),
        "curves": plots.learning_curves(summary, rows),
        "cost": plots.student_against_teacher(summary),
    }


def parse(svg):
    spaces = " ".join(f'{name}="{url}"' for name, url in NAMESPACES.items())
    return ElementTree.fromstring(svg.replace("<svg ", f"<svg {spaces} ", 1))


def texts(svg):
    return [element.text for element in parse(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("genres", [1, 2, 5, 13])
def test_plots_name_every_genre_and_label(genres):
    rows = make_study(genres)
    svgs = draw_all(rows)
    names = {f"Genre-{i}" for i in range(genres)}
    assert names | set(LABELS) <= set(texts(svgs["rmse"]))
    assert names <= set(texts(svgs["improvement"]))
    assert "Scratch" not in texts(svgs["improvement"])
    assert set(LABELS) <= set(texts(svgs["cost"]))
    titles = {text for text in texts(svgs["curves"]) if text.startswith("Genre-")}
    assert titles == {f"Genre-{i}" for i in range(min(genres, 8))}


def test_every_colour_is_the_pages():
    for svg in draw_all(make_study(2)).values():
        body = re.sub(r'(id|xlink:href|clip-path)="[^"]*"', "", svg)
        assert not re.search(r"#[0-9a-f]{6}\b", body)
        used = set(re.findall(r"var\(--(\w+)\)", svg))
        assert "muted" in used and used <= set(drawing.PALETTE)


def test_plots_share_no_ids_and_carry_no_page_wide_style():
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in draw_all(make_study(2)).values()]
    assert sum(len(found) for found in ids) == len(set().union(*ids))
    for svg in draw_all(make_study(2)).values():
        assert "<style" not in svg and "<metadata" not in svg and "<?xml" not in svg
        targets = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg))
        assert targets <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_the_readers_matplotlib_settings_change_nothing_and_are_kept():
    rows = make_study(2)
    plain = draw_all(rows)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "text.color": "red"}):
        assert draw_all(rows) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_nothing_to_draw_draws_nothing():
    bare = {"genre": "War", "method": "ld", "label": "LD", "rmse": 1.0, "n_train": 1, "n_test": 1}
    svgs = draw_all([bare])
    assert svgs["rmse"] and not svgs["improvement"] and not svgs["curves"] and not svgs["cost"]
    assert draw_all([bare | {"rmse": None}])["rmse"] == ""


@pytest.mark.parametrize("name", ["$x$", "_hidden", "a & b", "映画", "x" * 60, "50 %"])
def test_any_name_can_be_drawn(name, recwarn):
    rows = [make_row(name, label, seed) for label in ("Scratch", name) for seed in (0, 1)]
    for svg in draw_all(rows).values():
        shown = [text for text in texts(svg) if text and text.startswith(name[:5])]
        assert shown and all(len(text) <= 22 for text in shown)
    assert not recwarn.list


def test_curves_are_means_over_the_steps_that_all_seeds_have():
    long = [{"step": step, "rmse": 2.0, "loss": 1.0} for step in (10, 20, 30)]
    short = [{"step": 10, "rmse": 1.0}, {"step": 20, "rmse": float("nan")}, {"step": 30, "rmse": 4}]
    expected = np.array([[10, 1.5], [30, 3.0]])
    np.testing.assert_allclose(plots._mean_curve([long, short], "rmse"), expected)
    assert plots._mean_curve([long, [{"step": 5, "rmse": 1.0}]], "rmse").size == 0


@pytest.mark.parametrize("params", [(1000, 2000), (10, 10**9), (0, 5), (0, 0)])
def test_sizes_of_any_ratio_can_be_drawn(params):
    rows = [make_row(params=params[0]), make_row(label="Teacher", params=params[1])]
    assert parse(draw_all(rows)["cost"]) is not None
