"""Tests of the plots as SVG: well-formed, coloured by the page, the same every time, complete."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from image_rows import CIFAR10, STATES, make_image_row, make_image_rows
from tdrec import drawing, image_plots
from tdrec.image_summary import summarise_images

NAMESPACES = {"xmlns": "http://www.w3.org/2000/svg", "xmlns:xlink": "http://www.w3.org/1999/xlink"}
MAP = np.array([[0.93, 0.5, -0.02], [0.0, 1.0, math.nan], [0.25, 1.2, 0.75]])


def draw_all(rows):
    summary = summarise_images(rows)
    svgs = {
        "accuracy": image_plots.accuracy_by_task(summary),
        "scratch": image_plots.differences_from_scratch(summary),
        "curves": image_plots.learning_curves(summary, rows),
    }
    for label in summary.distilled[-1:]:
        svgs["versus"] = image_plots.differences_from_others(summary, label, "versus")
    return svgs


def draw_maps(maps, name="cka"):
    return image_plots.alignment_maps(maps, STATES, STATES, name, "CKA")


def parse(svg):
    spaces = " ".join(f'{name}="{url}"' for name, url in NAMESPACES.items())
    return ElementTree.fromstring(svg.replace("<svg ", f"<svg {spaces} ", 1))


def texts(svg):
    return [element.text for element in parse(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_plots_name_every_task_mean_and_label():
    rows = make_image_rows()
    svgs = draw_all(rows)
    summary = summarise_images(rows)
    names, labels = {place.name for place in summary.places}, {x.name for x in summary.labels}
    assert names | labels <= set(texts(svgs["accuracy"]))
    assert names | labels - {"Teacher", "Scratch"} <= set(texts(svgs["scratch"]))
    assert names | labels - {"Teacher", "TD k=2"} <= set(texts(svgs["versus"]))
    assert "TD k=2" not in texts(svgs["versus"])
    assert {task.name for task in summary.tasks} <= set(texts(svgs["curves"]))
    assert "training accuracy" in texts(svgs["curves"])


def test_every_colour_is_the_pages_and_ids_are_shared_by_none():
    found = [*draw_all(make_image_rows()).values(), draw_maps({"cat": MAP})]
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in found]
    assert sum(map(len, ids)) == len(set().union(*ids))
    for svg in found:
        body = re.sub(r'(id|xlink:href|clip-path)="[^"]*"', "", svg)
        assert not re.search(r"#[0-9a-f]{6}\b", body) and "<style" not in svg
        used = set(re.findall(r"var\(--(\w+)\)", svg))
        assert "muted" in used and used <= set(drawing.PALETTE)


def test_one_seed_is_drawn_without_intervals():
    rows = make_image_rows(("a",), ("Scratch", "FD", "TD k=2"), seeds=1)
    assert all(parse(svg) is not None for svg in draw_all(rows).values())


def test_nothing_to_draw_draws_nothing():
    bare = {"task": "a", "method": "fd", "label": "FD", "n_train": 1, "n_test": 1}
    svgs = draw_all([bare | {"accuracy": 0.5}])
    assert svgs["accuracy"] and not svgs["scratch"] and not svgs["curves"] and not svgs["versus"]
    assert draw_all([bare | {"accuracy": None}])["accuracy"] == ""
    assert draw_maps({}) == "" and image_plots.alignment_maps({"a": MAP}, (), (), "a", "A") == ""


def test_a_map_has_its_values_in_its_cells_and_its_names_around_them():
    found = texts(draw_maps({"cat": MAP}))
    assert {"0.93", "0.50", "−0.02", "0.00", "1.00", "–", "1.20"} <= set(found)
    assert {"cat", "student", "teacher", "CKA", "low", "high", "message"} <= set(found)


def test_values_are_laid_on_as_opaquely_as_they_are_high():
    svg = draw_maps({"cat": MAP})
    opacities = [
        float(x) for x in re.findall(r"fill: var\(--heat\); (?:fill-)?opacity: ([\d.]+)", svg)
    ]
    bar = [(i + 0.5) / 10 for i in range(10)]
    # what is out of the scale has its end; 1 is written without an opacity, and 0 without a colour
    assert opacities == pytest.approx([*bar, 0.93, 0.5, 0.25, 0.75])
    assert svg.count("var(--heat)") == len(opacities) + 2


@pytest.mark.parametrize(("classes", "lines"), [(1, 1), (3, 1), (4, 2), (10, 4)])
def test_maps_are_broken_into_lines(classes, lines):
    svg = draw_maps({name: MAP for name in CIFAR10[:classes]})
    assert set(CIFAR10[:classes]) <= set(texts(svg))
    assert texts(svg).count("student") == lines
    assert texts(svg).count("CKA") == 1


@pytest.mark.parametrize("name", ["$x$", "_hidden", 'a & "b" <c>', "映画", "x" * 60])
def test_any_name_can_be_drawn(name, recwarn):
    rows = [make_image_row(name, label, seed) for label in ("Scratch", name) for seed in (0, 1)]
    for svg in [*draw_all(rows).values(), draw_maps({name: MAP})]:
        shown = [text for text in texts(svg) if text and text.startswith(name[:5])]
        assert shown and all(len(text) <= 22 for text in shown)
    assert not recwarn.list
