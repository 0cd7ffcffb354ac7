"""The report's plots, as SVG text to be set into an HTML page.

The idea: `tdrec.drawing` has the look, each function here one picture. The same summary always
gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tdrec import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tdrec.summary import Cell, Label, Summary

Curve = Sequence[Mapping[str, Any]]
"""What a run has learned by step: points with "step" and the figures there."""

Points = Sequence[tuple[int, float, float, float]]
"""Marks of one label as (number of the group, value, low end, high end of its error bar)."""


def rmse_by_genre(summary: Summary) -> str:
    """RMSE and its standard error: a group of rows for each genre, a row for each student.

    The bias model and the teacher are lines across the group, as marks that a student should reach.
    """
    return dot_plot(
        [genre.name for genre in summary.genres],
        {x: _points(summary, x, lambda cell: (cell.rmse, cell.se)) for x in summary.labels},
        "rmse",
        "RMSE on the evaluation rows (lower is better)",
    )


def improvement_by_genre(summary: Summary) -> str:
    """Improvement over scratch in percent, with the standard error of the paired differences."""

    def value(cell: Cell) -> tuple[float | None, float | None]:
        return cell.improvement, cell.improvement_se

    return dot_plot(
        [genre.name for genre in summary.genres],
        {x: _points(summary, x, value) if x.is_distilled else () for x in summary.labels},
        "improvement",
        "← worse · improvement of RMSE over scratch, in percent · better →",
        zero=True,
    )


def learning_curves(summary: Summary, rows: Sequence[Mapping[str, Any]]) -> str:
    """RMSE on the training rows by step: mean over seeds, as far as all seeds have the step."""
    curves: dict[str, dict[str, list[Any]]] = {genre.name: {} for genre in summary.genres}
    for row in rows:
        curves[row["genre"]].setdefault(row["label"], []).append(row.get("curve"))
    return curve_panels(curves, summary.labels, "rmse", "training RMSE")


def curve_panels(
    curves: Mapping[str, Mapping[str, Sequence[Curve | None]]],
    labels: Sequence[Label],
    figure: str,
    y_label: str,
) -> str:
    """A panel for each place, and in it the mean curve of each label; the first eight are drawn.

    Args:
        curves: of the runs, by place and name of the label.
        labels: of the page.
        figure: the field of a curve's points that is drawn.
        y_label: what it is.

    Returns:
        The `<svg>` element; empty when there is nothing to draw.
    """
    panels = []
    for name, by_label in curves.items():
        lines = {x: _mean_curve(by_label.get(x.name, []), figure) for x in labels}
        lines = {label: curve for label, curve in lines.items() if len(curve)}
        if lines:
            panels.append((name, lines))
    panels = panels[:8]
    if not panels:
        return ""
    used = [label for label in labels if any(label in lines for _, lines in panels)]
    columns = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    count = math.ceil(len(panels) / columns)
    panel_height = 2.7 if columns == 1 else 1.75
    with drawing.style():
        top = drawing.legend_height([label.name for label in used])
        canvas = drawing.new_figure(top + count * (panel_height + 0.62) + 0.12)
        left, gap = 0.66, 0.5
        width = (drawing.WIDTH - left - 0.1 - gap * (columns - 1)) / columns
        for i, (name, lines) in enumerate(panels):
            line, column = divmod(i, columns)
            x = left + column * (width + gap)
            y = top + line * (panel_height + 0.62) + 0.26
            axes = drawing.add_axes(canvas, x, y, width, panel_height)
            for label, curve in lines.items():
                axes.plot(
                    *curve.T, color=drawing.colour(label), linestyle=drawing.dash(label, used)
                )
            _fit_curves(axes, list(lines.values()))
            axes.set_title(drawing.shorten(name), loc="left", fontsize=10)
            axes.grid(True)
            axes.locator_params(nbins=5)
            axes.tick_params(axis="y", labelsize=9, labelcolor=drawing.INK["muted"])
            if column == 0:
                axes.set_ylabel(y_label)
            if i + columns >= len(panels):
                axes.set_xlabel("step")
        handles = [
            drawing.line(color=drawing.colour(x), linestyle=drawing.dash(x, used), linewidth=1.8)
            for x in used
        ]
        drawing.legend(canvas, handles, [label.name for label in used])
        return drawing.to_svg(canvas, "curves", f"Learning curves: {y_label} by step")


def student_against_teacher(summary: Summary) -> str:
    """Parameters and latency of every model as bars, beside its RMSE over the complete genres."""
    costs = {label: summary.costs[label.name] for label in summary.labels}
    genres = len(summary.complete)
    columns: dict[str, dict[Label, float | None]] = {
        "parameters": {label: cost.params for label, cost in costs.items()},
        "latency, ms for 256 rows": {label: cost.latency_ms for label, cost in costs.items()},
    }
    if all(value is None for values in columns.values() for value in values.values()):
        return ""
    title = f"RMSE, mean over {genres} genres" if genres > 1 else "RMSE"
    columns[title] = {label: summary.totals[label.name].rmse for label in summary.labels}
    panels = [
        (title, known)
        for title, values in columns.items()
        if (known := {label: value for label, value in values.items() if value is not None})
    ]
    models = [x for x in summary.labels if any(x in values for _, values in panels)]
    names = [drawing.shorten(label.name) for label in models]
    with drawing.style():
        left = 0.25 + drawing.LETTER * max(len(name) for name in names)
        height, top, gap = 0.27 * len(models) + 0.1, 0.34, 0.3
        figure = drawing.new_figure(height + top + 0.52)
        width = (drawing.WIDTH - left - 0.1 - gap * (len(panels) - 1)) / len(panels)
        for i, (title, values) in enumerate(panels):
            axes = drawing.add_axes(figure, left + i * (width + gap), top, width, height)
            axes.set_title(title, loc="left", fontsize=10)
            axes.set_ylim(len(models) - 0.45, -0.55)
            axes.set_yticks(range(len(models)), names if i == 0 else [""] * len(models))
            axes.tick_params(axis="y", length=0)
            places = [models.index(label) for label in values]
            colours = [drawing.colour(label) for label in values]
            numbers = np.array(list(values.values()))
            # Room on the right for the number that stands beside each mark.
            if title.startswith("RMSE"):
                low, span = numbers.min(), float(np.ptp(numbers)) or 0.01
                axes.set_xlim(low - 0.15 * span, low + 1.75 * span)
                axes.scatter(numbers, places, color=colours, s=34, zorder=3)
                texts = [f"{number:.4f}" for number in numbers]
            else:
                axes.set_xlim(0, 1.4 * (numbers.max() or 1.0))
                axes.grid(True, axis="x")
                axes.barh(places, numbers, height=0.6, color=colours)
                texts = [drawing.short_number(number) for number in numbers]
                axes.xaxis.set_major_formatter(lambda value, _: drawing.short_number(value))
            axes.locator_params(axis="x", nbins=3)
            for text, point in zip(texts, zip(numbers, places, strict=True), strict=True):
                axes.annotate(
                    text, point, (5, 0), textcoords="offset points", va="center", fontsize=9
                )
        return drawing.to_svg(figure, "cost", "Size, latency and RMSE of students and teacher")


def dot_plot(
    groups: Sequence[str],
    points: Mapping[Label, Points],
    name: str,
    x_label: str,
    zero: bool = False,
    means: int = 0,
    width: float = drawing.WIDTH,
) -> str:
    """A group for each name, and in it a lane for each student; references cross the whole group.

    Args:
        groups: names of the groups, from the top: genres.
        points: of every label, which may have none; students keep their marker whatever is drawn.
        name: what the ids of the SVG begin with.
        x_label: what the values are.
        zero: whether to draw a line at zero.
        means: how many of the last groups are means of the others, and set apart.
        width: inches.

    Returns:
        The `<svg>` element; empty when there is nothing to draw.
    """
    drawn = {label: found for label, found in points.items() if found}
    students = [label for label in drawn if label.is_student]
    references = [label for label in drawn if not label.is_student]
    if not drawn:
        return ""
    lanes = max(len(students), 1)
    lane = 0.17 if lanes * len(groups) <= 40 else 0.125
    group = max(lane * lanes + 0.14, 0.36)
    names = [drawing.shorten(text) for text in groups]
    with drawing.style():
        shown = [label.name for label in (*students, *references)]
        top = drawing.legend_height(shown, width) + 0.05
        left = 0.25 + drawing.LETTER * max(len(text) for text in names)
        height = group * len(names)
        figure = drawing.new_figure(top + height + 0.62, width)
        axes = drawing.add_axes(figure, left, top, width - left - 0.15, height)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        for i in range(0, len(names), 2):
            axes.axhspan(i - 0.5, i + 0.5, color=drawing.INK["band"], zorder=0, linewidth=0)
        if means:
            axes.axhline(len(names) - means - 0.5, color=drawing.INK["muted"], linewidth=1.1)
        if zero:
            axes.axvline(0, color=drawing.INK["ink"], linewidth=1.1, zorder=1.5)
        handles = []
        for lane_number, label in enumerate(students):
            places, x, low, high = np.array(drawn[label]).T
            offset = ((lane_number + 0.5) / lanes - 0.5) * (lane * lanes / group)
            style = drawing.mark(label, list(points))
            axes.errorbar(x, places + offset, xerr=(x - low, high - x), elinewidth=1.4, **style)
            handles.append(drawing.line(**style))
        for label in references:
            places, x, *_ = np.array(drawn[label]).T
            style = {"color": drawing.colour(label), "linewidth": 1.6}
            dash: Any = (0, (2, 1.2)) if label.method == "bias" else "-"
            axes.vlines(x, places - 0.42, places + 0.42, linestyles=dash, zorder=1.8, **style)
            handles.append(drawing.line(linestyle=dash, **style))
        axes.margins(x=0.03)
        axes.locator_params(axis="x", nbins=round(width))
        axes.set_xlabel(x_label)
        drawing.legend(figure, handles, shown)
        return drawing.to_svg(figure, name, x_label)


# Parts -------------------------------------------------------------------------------------


def _points(
    summary: Summary,
    label: Label,
    value: Callable[[Cell], tuple[float | None, float | None]],
) -> Points:
    found = []
    for i, genre in enumerate(summary.genres):
        if label.name in genre.cells:
            x, error = value(genre.cells[label.name])
            if x is not None and math.isfinite(x):
                found.append((i, x, x - (error or 0.0), x + (error or 0.0)))
    return found


def _mean_curve(curves: Sequence[Curve | None], figure: str) -> np.ndarray:
    """Array of (step, mean figure) over the steps that every curve has."""
    known = [[p for p in curve if p.get(figure) is not None] for curve in curves if curve]
    seeds = [{p["step"]: p[figure] for p in c if math.isfinite(p[figure])} for c in known]
    steps = sorted(set.intersection(*(set(seed) for seed in seeds))) if seeds else []
    return np.array([(step, np.mean([seed[step] for seed in seeds])) for step in steps], float)


def _fit_curves(axes: Axes, curves: Sequence[np.ndarray]) -> None:
    # An untrained model's first figures lie far from the rest and would flatten every difference.
    start = 0.1 * max(curve[-1, 0] for curve in curves)
    late = np.concatenate([curve[curve[:, 0] >= start][:, 1] for curve in curves])
    low, high = late.min(), late.max()
    margin = 0.06 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
