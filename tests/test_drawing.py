"""Tests of the look: colours that can be told apart, and SVGs that can stand on one page."""

import re

import numpy as np
import pytest

from result_rows import make_study
from tdrec import drawing
from tdrec.summary import Label, summarise


def test_labels_of_one_method_share_its_colour_and_differ_in_marker_and_line():
    labels = summarise(make_study(1)).labels
    one, two = (label for label in labels if label.method == "td")
    assert drawing.colour(one) == drawing.colour(two)
    assert drawing.marker(one, labels) != drawing.marker(two, labels)
    assert drawing.dash(one, labels) != drawing.dash(two, labels)
    own = Label("mine", "my method")
    assert drawing.colour(own) not in {drawing.colour(label) for label in labels}


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


def test_figures_of_one_name_share_no_ids():
    svgs = []
    for y in (1, 2):
        with drawing.style():
            figure = drawing.new_figure(1.0)
            drawing.add_axes(figure, 0.1, 0.1, 1.0, 0.5).plot([0, y])
            svgs.append(drawing.to_svg(figure, "name", "A title"))
    one, other = (set(re.findall(r'\bid="([^"]+)"', svg)) for svg in svgs)
    assert one and not one & other
    assert svgs[0].startswith('<svg role="img" aria-label="A title" viewBox=')
