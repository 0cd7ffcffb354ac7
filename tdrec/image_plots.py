"""The plots of image tasks, as SVG text: accuracy, differences with intervals, curves, CKA maps.

The idea: `tdrec.drawing` has the look and `tdrec.plots` the kinds of plots; here they are given
what `tdrec.image_summary` has counted. A map's colours are one colour of the page, laid on the more
opaquely the higher the value, so that the scale begins at the page's own colour, light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tdrec import drawing
from tdrec.plots import Points, curve_panels, dot_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from tdrec.image_summary import ImageSummary
    from tdrec.summary import Label

MAPS_IN_A_LINE = 3
CELL = 0.36  # inches, the height of a map's cell
SMALL: Mapping[str, Any] = {"fontsize": 9, "color": drawing.INK["muted"]}


def accuracy_by_task(summary: ImageSummary) -> str:
    """Accuracy and its standard error: a group of rows for each task and mean, a row a student.

    The teacher is a line across the group, where it has the task's labels.
    """
    points: dict[Label, Points] = {}
    for label in summary.labels:
        cells = [(i, place.cells.get(label.name)) for i, place in enumerate(summary.places)]
        known = [(i, cell) for i, cell in cells if cell and math.isfinite(cell.accuracy)]
        points[label] = [
            (i, x.accuracy, x.accuracy - (x.se or 0.0), x.accuracy + (x.se or 0.0))
            for i, x in known
        ]
    return _by_place(summary, points, "accuracy", "accuracy on the evaluation images →", False)


def differences_from_scratch(summary: ImageSummary) -> str:
    """A forest plot: accuracy minus scratch's, with its 95% interval; one seed has no interval."""
    scratch = next((label.name for label in summary.labels if label.method == "scratch"), "")
    points = {
        label: _differences(summary, label.name, scratch) if label.is_distilled else ()
        for label in summary.labels
    }
    title = "← worse · accuracy minus scratch's · better →"
    return _by_place(summary, points, "scratch", title, True)


def differences_from_others(summary: ImageSummary, label: Label, name: str) -> str:
    """A forest plot: a label's accuracy minus that of each other student, in the other's colour.

    Args:
        summary: with runs of the label.
        label: that is compared.
        name: what the ids of the SVG begin with.
    """
    points = {
        other: _differences(summary, label.name, other.name)
        if other.is_student and other != label
        else ()
        for other in summary.labels
    }
    title = f"← worse · {drawing.shorten(label.name)} minus the other · better →"
    return _by_place(summary, points, name, title, True)


def learning_curves(summary: ImageSummary, rows: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy on the training images by step: mean over seeds, as far as all have the step."""
    curves: dict[str, dict[str, list[Any]]] = {task.name: {} for task in summary.tasks}
    for row in rows:
        curves[row["task"]].setdefault(row["label"], []).append(row.get("curve"))
    return curve_panels(curves, summary.labels, "accuracy", "training accuracy")


def alignment_maps(
    maps: Mapping[str, NDArray[np.float64]],
    student: Sequence[str],
    teacher: Sequence[str],
    name: str,
    title: str,
) -> str:
    """Heat maps of one scale from 0 to 1 with one colour bar, the values written in their cells.

    Args:
        maps: title -> array of shape `(student, teacher)`; NaN is drawn as an empty cell.
        student: names of the rows.
        teacher: names of the columns.
        name: what the ids of the SVG begin with.
        title: what is shown, for those who do not see it.

    Returns:
        The `<svg>` element; empty when there is nothing to draw.

    Source:
        Figure 3 of "Talking Models", arXiv 2310.03188.
    """
    if not maps or not student or not teacher:
        return ""
    left, top = 0.4 + drawing.LETTER * max(len(drawing.shorten(own)) for own in student), 0.83
    width, height = (drawing.NARROW - left - 0.05) / MAPS_IN_A_LINE, CELL * len(student) + 0.66
    lines = math.ceil(len(maps) / MAPS_IN_A_LINE)
    with drawing.style():
        total = top + lines * height - 0.1
        figure = drawing.new_figure(total, drawing.NARROW)
        axes = drawing.add_axes(figure, 0, 0, drawing.NARROW, total)
        axes.set(xlim=(0, drawing.NARROW), ylim=(total, 0))  # in inches from the upper left
        axes.set_axis_off()
        _colour_bar(axes)
        for i, (heading, values) in enumerate(maps.items()):
            line, column = divmod(i, MAPS_IN_A_LINE)
            x, y = left + column * width, top + line * height
            axes.text(x, y - 0.07, drawing.shorten(heading), fontsize=10)
            _heat_map(axes, values, x, y, width - 0.14)
            _columns(axes, teacher, x, y + CELL * len(student), width - 0.14, line == lines - 1)
            if column == 0:
                _rows(axes, student, x, y)
        return drawing.to_svg(figure, name, title)


# Parts -------------------------------------------------------------------------------------


def _by_place(
    summary: ImageSummary, points: Mapping[Label, Points], name: str, title: str, zero: bool
) -> str:
    return dot_plot(
        [place.name for place in summary.places],
        points,
        name,
        title,
        zero=zero,
        means=len(summary.means),
        width=drawing.NARROW,
    )


def _differences(summary: ImageSummary, label: str, other: str) -> Points:
    found = [(i, place.difference(label, other)) for i, place in enumerate(summary.places)]
    return [
        (i, x.value, x.interval.low, x.interval.high)
        if x.interval
        else (i, x.value, x.value, x.value)
        for i, x in found
        if x
    ]


def _box(axes: Axes, x: float, y: float, width: float, height: float, value: float) -> None:
    """A rectangle in the colour of a value, which is laid on the more opaquely the higher it is."""
    from matplotlib.patches import Rectangle

    face = (drawing.INK["heat"], min(max(value, 0.0), 1.0)) if math.isfinite(value) else "none"
    look: dict[str, Any] = {"edgecolor": drawing.INK["rule"], "linewidth": 0.7, "clip_on": False}
    axes.add_patch(Rectangle((x, y), width, height, facecolor=face, **look))


def _heat_map(axes: Axes, values: NDArray[np.float64], x: float, y: float, width: float) -> None:
    cell = width / values.shape[1]
    for (i, j), value in np.ndenumerate(values):
        left, top = x + j * cell, y + i * CELL
        _box(axes, left, top, cell, CELL, value)
        text = f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "–"
        axes.text(left + cell / 2, top + CELL / 2, text, ha="center", va="center", fontsize=11)


def _columns(
    axes: Axes, names: Sequence[str], x: float, y: float, width: float, titled: bool
) -> None:
    look: dict[str, Any] = {"ha": "center", "va": "top", **SMALL}
    for j, name in enumerate(names):
        axes.text(x + (j + 0.5) * width / len(names), y + 0.04, drawing.shorten(name), **look)
    if titled:
        axes.text(x + width / 2, y + 0.24, "teacher", **look)


def _rows(axes: Axes, names: Sequence[str], x: float, y: float) -> None:
    for i, name in enumerate(names):
        place = y + (i + 0.5) * CELL
        axes.text(x - 0.06, place, drawing.shorten(name), ha="right", va="center", **SMALL)
    middle = y + CELL * len(names) / 2
    axes.text(0.12, middle, "student", ha="center", va="center", rotation=90, **SMALL)


def _colour_bar(axes: Axes) -> None:
    steps, width = 10, 0.24
    left = drawing.NARROW - steps * width - 0.2
    for i in range(steps):
        _box(axes, left + i * width, 0.1, width, 0.16, (i + 0.5) / steps)
    for value in (0.0, 0.5, 1.0):
        place = left + value * steps * width
        axes.text(place, 0.32, f"{value:g}", ha="center", va="top", **SMALL)
    axes.text(left - 0.1, 0.18, "CKA", ha="right", va="center", fontsize=10)
