"""The plots of a section, as SVG text: each shows what the page's tables say, and computes nothing.

The idea: `tdrec.report.drawing` has the look, each function here one picture. A function returns ""
where there is nothing to draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tdrec.report import drawing
from tdrec.report.words import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from tdrec.report.section import Kind, Label, Section
    from tdrec.studies.comparison import Estimate

IMPROVEMENT = "improvement over scratch, %"

Line = tuple[str, Mapping[str, Any], Sequence[tuple[float, "Estimate"]]]
"""The name of a line, how it is drawn, and its values by their place on the axis."""

PANELS = 8
"""Learning curves that are drawn at most, one panel each."""


def differences(section: Section, kind: Kind) -> str:
    """A forest plot: differences of the metric with their 95% intervals, by place and label.

    Args:
        section: Of a report.
        kind: What the labels are compared with.
    """
    labels = [x for x in section.labels if any(key[1] == x.name for key in section.versus[kind])]
    if not labels:
        return ""
    places = section.places
    lane = 0.17 if len(labels) * len(places) <= 40 else 0.125  # inches
    group = max(lane * len(labels) + 0.14, 0.36)
    sides = ("better", "worse") if section.metric.better == "lower" else ("worse", "better")
    title = f"← {sides[0]} · difference of {section.metric.title} · {sides[1]} →"
    with drawing.canvas(group * len(places) + 1.0) as figure:
        axes = figure.subplots()
        for i in range(0, len(places), 2):
            axes.axhspan(i - 0.5, i + 0.5, color=drawing.INK["band"], zorder=0, linewidth=0)
        if section.means:
            axes.axhline(len(section.tasks) - 0.5, color=drawing.INK["muted"], linewidth=1.1)
        axes.axvline(0, color=drawing.INK["ink"], linewidth=1.1, zorder=1.5)
        looks = {x: drawing.look(x, section.labels) | {"linestyle": "none"} for x in labels}
        for i, label in enumerate(labels):
            offset = (i - (len(labels) - 1) / 2) * lane / group
            found = [(p, section.versus[kind].get((x, label.name))) for p, x in enumerate(places)]
            points = [(place + offset, x.difference) for place, x in found if x]
            values, errors = _errors([estimate for _, estimate in points])
            y = [place for place, _ in points]
            axes.errorbar(values, y, xerr=errors, elinewidth=1.4, **looks[label])
        axes.set_ylim(len(places) - 0.5, -0.5)
        axes.set_yticks(range(len(places)), [drawing.shorten(place) for place in places])
        axes.tick_params(axis="y", length=0, labelsize=10)
        axes.grid(True, axis="x")
        axes.locator_params(axis="x", nbins=6)
        axes.set_xlabel(title)
        drawing.legend(figure, {label.name: found for label, found in looks.items()})
        return drawing.to_svg(figure, kind, title)


def rounds_curve(section: Section) -> str:
    """Improvement over scratch by rounds of communication: each task, and the mean with interval.

    Args:
        section: Drawn only if it has TD with several rounds, and each number of rounds once.
    """
    names = {rounds: label for label, rounds in section.rounds.items()}
    if not 1 < len(names) == len(section.rounds):
        return ""
    compared = section.versus["scratch"]
    lines: list[Line] = []
    for place in (*section.tasks, section.overall[0]):
        found = {k: compared.get((place, names[k])) for k in sorted(names)}
        points = [(float(k), each.improvement) for k, each in found.items() if each]
        if place in section.overall:
            look = {"color": drawing.INK["td"], "marker": "o", "linewidth": 1.6}
            lines.append((place, look, points))
        else:
            bare = [(k, replace(x, low=None, high=None)) for k, x in points]
            lines.append(("Each task", {"color": drawing.INK["muted"], "linewidth": 0.8}, bare))
    ticks = {float(k): str(k) for k in sorted(names)}
    return line_plot(lines, ticks, "rounds", "rounds of communication", IMPROVEMENT)


def line_plot(
    lines: Sequence[Line],
    ticks: Mapping[float, str],
    name: str,
    x_label: str,
    y_label: str,
    scale: Literal["linear", "log"] = "linear",
) -> str:
    """Values with their intervals along an axis.

    Args:
        lines: The name, the look and the (place, value) of each; lines of one name share a place in
            the legend.
        ticks: Names of places on the axis, in order.
        name: What the ids of the SVG begin with.
        x_label, y_label: What is drawn.
        scale: Of the axis. Default "linear".
    """
    lines = [line for line in lines if line[2]]
    if not lines:
        return ""
    with drawing.canvas(3.6) as figure:
        axes = figure.subplots()
        for number, (_, look, points) in enumerate(lines):
            # side by side, so that no interval hides another
            aside = 1.03 ** (number - len(lines) / 2) if scale == "log" else 1.0
            values, errors = _errors([estimate for _, estimate in points])
            x = [place * aside for place, _ in points]
            axes.errorbar(x, values, yerr=errors, elinewidth=1.3, **look)
        if y_label == IMPROVEMENT:
            axes.axhline(0, color=drawing.INK["ink"], linewidth=1.1, zorder=1.5)
        axes.set_xscale(scale)
        axes.minorticks_off()
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid(True, axis="y")
        drawing.legend(figure, {each: look for each, look, _ in lines})
        return drawing.to_svg(figure, name, f"{y_label} by {x_label}")


def learning_curves(section: Section) -> str:
    """The metric on training rows by step: the mean over seeds, as far as all have the step.

    Args:
        section: Of which the largest tasks are drawn, `PANELS` at most.
    """
    panels: dict[str, dict[Label, NDArray[np.float64]]] = {}
    for task in section.tasks:
        curves = {x: _mean_curve(section, task, x) for x in section.labels}
        known = {label: curve for label, curve in curves.items() if len(curve)}
        if known and len(panels) < PANELS:
            panels[task] = known
    if not panels:
        return ""
    used = [x for x in section.labels if any(x in curves for curves in panels.values())]
    looks = {x: drawing.look(x, used) | {"marker": ""} for x in used}
    title = f"training {section.metric.title}"
    columns = min(len(panels), 2)
    lines = math.ceil(len(panels) / columns)
    with drawing.canvas(0.8 + lines * (2.0 if columns > 1 else 2.8)) as figure:
        grid = figure.subplots(lines, columns, squeeze=False)
        for i, axes in enumerate(grid.flat):
            axes.set_visible(i < len(panels))
        for axes, (task, curves) in zip(grid.flat, panels.items(), strict=False):
            for label, curve in curves.items():
                axes.plot(*curve.T, **looks[label])
            _fit_curves(axes, list(curves.values()))
            axes.set_title(drawing.shorten(task))
            axes.grid(True)
            axes.locator_params(nbins=5)
        figure.supxlabel("step", fontsize=10, color=drawing.INK["muted"])
        figure.supylabel(title, fontsize=10, color=drawing.INK["muted"])
        drawing.legend(figure, {label.name: look for label, look in looks.items()})
        return drawing.to_svg(figure, "curves", f"Learning curves: {title} by step")


def costs(section: Section, values: Mapping[str, Sequence[float | None]]) -> str:
    """What each model costs, as bars.

    Args:
        section: Of a report.
        values: Costs in the order of its labels, by what their panel is called.
    """
    panels = {title: known for title, known in values.items() if any(known)}
    if not panels:
        return ""
    names = [drawing.shorten(label.name) for label in section.labels]
    colours = [drawing.colour(label) for label in section.labels]
    with drawing.canvas(0.27 * len(names) + 0.7) as figure:
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, known) in zip(grid, panels.items(), strict=True):
            lengths = [value or 0.0 for value in known]
            bars = axes.barh(range(len(names)), lengths, height=0.6, color=colours)
            texts = [quantity(value) for value in known]
            axes.bar_label(bars, texts, padding=5, fontsize=9)
            axes.set_xlim(0, 1.5 * max(lengths))
            axes.set_title(title)
            axes.set_xticks([])
            axes.tick_params(axis="y", length=0, labelsize=10)
        grid[0].set_yticks(range(len(names)), names)
        grid[0].invert_yaxis()
        return drawing.to_svg(figure, "costs", f"What each model costs: {', '.join(panels)}")


# Parts -------------------------------------------------------------------------------------


def _errors(estimates: Sequence[Estimate]) -> tuple[list[float], NDArray[np.float64]]:
    """Values, and how far their intervals reach below and above: nowhere if they have none."""
    values = [x.value for x in estimates]
    ends = [
        (0.0, 0.0) if x.low is None or x.high is None else (x.value - x.low, x.high - x.value)
        for x in estimates
    ]
    return values, np.reshape(ends, (-1, 2)).T


def _mean_curve(section: Section, task: str, label: Label) -> NDArray[np.float64]:
    """(step, mean of the metric) over the steps that every run has."""
    name = section.metric.name
    curves = [row.curve for row in section.rows_of(label.name, task) if row.curve]
    seeds = [{p["step"]: p[name] for p in curve if p.get(name) is not None} for curve in curves]
    steps = sorted(set.intersection(*(set(seed) for seed in seeds))) if seeds else []
    return np.array([(step, np.mean([seed[step] for seed in seeds])) for step in steps], float)


def _fit_curves(axes: Axes, curves: Sequence[NDArray[np.float64]]) -> None:
    # An untrained model's first figures lie far from the rest and would flatten every difference.
    start = 0.1 * max(curve[-1, 0] for curve in curves)
    late = np.concatenate([curve[curve[:, 0] >= start][:, 1] for curve in curves])
    low, high = late.min(), late.max()
    margin = 0.06 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
