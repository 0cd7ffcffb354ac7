"""Tests of plots: what is drawn, colours that can be told apart, and SVGs for one page."""

import re
import xml.etree.ElementTree as ElementTree
from unittest.mock import patch

import numpy as np
import pytest

from study_rows import make_image_rows, make_row, make_rows
from tdrec.report import drawing, plots
from tdrec.report.section import Label, make_sections
from tdrec.studies.comparison import Estimate
from tdrec.studies.metric import ACCURACY, RMSE


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def contrast(*colours):
    """Of two colours, as WCAG 2.1 has it."""
    linear = [np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) for x in colours]
    low, high = sorted(float(np.dot((0.2126, 0.7152, 0.0722), x)) for x in linear)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", [0, 1])
def test_colours_can_be_told_from_the_page(page):
    # WCAG 2.1: 4.5 for text (1.4.3), 3 for graphics (1.4.11)
    ground = rgb(drawing.PALETTE["page"][page])
    for name, colours in drawing.PALETTE.items():
        if name in ("ink", "muted"):
            assert contrast(rgb(colours[page]), ground) >= 4.5, name
        elif name not in ("rule", "band", "page"):
            assert contrast(rgb(colours[page]), ground) >= 3, name


@pytest.mark.parametrize("page", [0, 1])
def test_ink_can_be_read_on_all_of_the_heat_scale(page):
    ground, ink, heat = (rgb(drawing.PALETTE[name][page]) for name in ("page", "ink", "heat"))
    for opacity in np.linspace(0, 1, 21):
        assert contrast(ink, (1 - opacity) * ground + opacity * heat) >= 4.5


def test_labels_of_one_method_share_its_colour_and_differ_in_marker_and_line():
    names = [("Scratch", "scratch"), ("TD k=1", "td"), ("TD k=2", "td"), ("mine", "a:Mine")]
    labels = [Label(*name) for name in names]
    _, one, two, own = (drawing.look(label, labels) for label in labels)
    assert one["color"] == two["color"] == drawing.INK["td"]
    assert one["marker"] != two["marker"] and one["linestyle"] != two["linestyle"] == "-"
    assert own["color"] == drawing.INK["other"]


@pytest.fixture(scope="module")
def section():
    rows = make_rows(("Bias", "Teacher", "Scratch", "LD", "TD k=1", "TD k=2"), 2, 2, 30)
    (found,) = make_sections(rows, RMSE)
    return found


def texts(svg):
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    return ["".join(each.itertext()) for each in root.iter() if each.tag.endswith("text")]


def test_plots_are_deterministic_and_share_no_ids(section):
    def draw():
        made = [plots.differences(section, kind) for kind in ("scratch", "best", "default")]
        return [*made, plots.rounds_curve(section), plots.learning_curves(section)]

    first = draw()
    assert first == draw()
    ids = [re.findall(r'\bid="([^"]+)"', svg) for svg in first]
    assert len(set().union(*ids)) == sum(map(len, ids)) > 0
    for svg in first:
        references = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)
        assert {one or other for one, other in references} <= set(re.findall(r'id="([^"]+)"', svg))
        assert not re.search(r"#0000[0-9a-f]{2}\b", svg) and "var(--" in svg
        assert "<style" not in svg and "<image" not in svg and "<dc:date" not in svg


def test_forest_plots_show_places_and_sides(section):
    found = texts(plots.differences(section, "scratch"))
    assert {"Drama", "Comedy", "Mean of 2 tasks", "LD", "TD k=1", "TD k=2"} <= set(found)
    assert "← better · difference of RMSE · worse →" in found and "Scratch" not in found
    assert {"TD k=1"} == {"TD k=1", "TD k=2", "LD"} & set(
        texts(plots.differences(section, "default"))
    )
    rows = make_image_rows(("a", "b"), ("Scratch", "FD"), seeds=1, without_labels=(), classes=())
    (higher,) = make_sections(rows, ACCURACY)
    assert "← worse · difference of accuracy · better →" in texts(
        plots.differences(higher, "scratch")
    )
    assert plots.differences(higher, "bias") == plots.rounds_curve(higher) == ""


def test_rounds_are_drawn_once_each(section):
    found = texts(plots.rounds_curve(section))
    assert {"1", "2", "Each task", "Mean of 2 tasks"} <= set(found)
    variant = {"variant": True, "arguments": {"rounds": 2}, "method": "td"}
    rows = [make_row("a", x, 0, 0.5, "accuracy") for x in ("Scratch", "TD k=1", "TD k=2")]
    rows.append(make_row("a", "TD without middle", 0, 0.5, "accuracy", **variant))
    (twice,) = make_sections(rows, ACCURACY)
    assert plots.rounds_curve(twice) == ""


def curves_of(*seeds):
    """The plot of one label's learning curves, of which each seed has one."""
    rows = [
        make_row("a", "LD", i, 0.5, "accuracy", curve=[{"step": k, "accuracy": v} for k, v in seed])
        for i, seed in enumerate(seeds)
    ]
    (section,) = make_sections(rows, ACCURACY)
    return plots.learning_curves(section)


def test_curves_are_means_over_the_steps_that_all_runs_have():
    found = curves_of([(20, 0.1), (40, 0.3)], [(20, 0.3), (40, 0.5), (60, 0.7)])
    assert found == curves_of([(20, 0.2), (40, 0.4)])
    assert found != curves_of([(20, 0.2), (40, 0.4), (60, 0.7)])
    assert {"a", "LD", "step", "training accuracy"} <= set(texts(found))


def test_costs_are_drawn_as_far_as_they_are_known(section):
    twins = [Label(f"a long name, number {i}, of a label", "ld") for i in range(6)]
    with patch.object(section, "labels", twins):  # which are shortened to one name
        found = texts(plots.costs(section, {"bytes": [1.0] * 6}))
    assert found.count("a long name,…f a label") == found.count("1") == 6
    bars = {"parameters": [None, 570_000.0, *[61_000.0] * 4], "latency, ms": [None] * 6}
    found = texts(plots.costs(section, bars))
    assert found.count("61 k") == 4 and "570 k" in found and "latency, ms" not in found
    assert plots.costs(section, {"parameters": [None] * 6}) == ""


def test_long_and_hostile_names_are_text():
    name = "_$x^2$ <b> & " + "long " * 9
    svg = plots.line_plot([(name, {}, [(1.0, Estimate(2.0))])], {1.0: "<i>"}, "n", "x", "y")
    found = texts(svg)
    assert "<i>" in found and any(x.startswith("_$x^2$ <b> &") and len(x) == 22 for x in found)
