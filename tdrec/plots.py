"""The report's plots, as SVG text to be set into an HTML page.

The idea: Matplotlib lays a plot out, the page colours it. Every colour is drawn as a placeholder
and replaced by a CSS variable, so that one SVG is right on a light and on a dark page. Text stays
text and takes the page's font. The same summary always gives the same bytes: no dates, fixed ids,
and Matplotlib's own defaults instead of the reader's settings.

A method keeps its colour in every plot (after Okabe and Ito, https://jfly.uni-koeln.de/color/, safe
for colour-blind readers); labels of one method differ by marker and line style.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tdrec.summary import Cell, Label, Summary

# CSS variable -> its colour on a light page, on a dark page.
PALETTE: Mapping[str, tuple[str, str]] = {
    "bias": ("#8a6d00", "#e6c34d"),
    "teacher": ("#4b5563", "#b6bec9"),
    "scratch": ("#1f2328", "#f2f4f6"),
    "ld": ("#005a9e", "#4a9ede"),
    "fd": ("#2b93cf", "#9ad8fb"),
    "fitnet": ("#00875f", "#2fc294"),
    "hybrid": ("#bb5f92", "#e79cc6"),
    "td": ("#cc4e00", "#ff8a45"),
    "other": ("#7a4fb5", "#b795ea"),
    "ink": ("#1f2328", "#e6e8eb"),
    "muted": ("#5c6570", "#9aa4af"),
    "rule": ("#d8dce1", "#363d46"),
    "band": ("#f4f5f7", "#1d2228"),
    "page": ("#ffffff", "#14181d"),
}
_PLACEHOLDER = {name: f"#0000{i:02x}" for i, name in enumerate(PALETTE, start=1)}

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "p", "h", "<", ">")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_WIDTH = 9.0  # inches, or 648 units of the SVG: the page scales it
_LETTER = 0.078  # inches, a generous mean width of a letter at 10 points


def rmse_by_genre(summary: Summary) -> str:
    """RMSE and its standard error: a group of rows for each genre, a row for each student.

    The bias model and the teacher are lines across the group, as marks that a student should reach.
    """
    return _dot_plot(
        summary,
        [label for label in summary.labels if label.is_student],
        [label for label in summary.labels if not label.is_student],
        lambda cell: (cell.rmse, cell.se),
        "rmse",
        "RMSE on the evaluation rows (lower is better)",
    )


def improvement_by_genre(summary: Summary) -> str:
    """Improvement over scratch in percent, with the standard error of the paired differences."""
    return _dot_plot(
        summary,
        [label for label in summary.labels if label.is_distilled],
        [],
        lambda cell: (cell.improvement, cell.improvement_se),
        "improvement",
        "← worse · improvement of RMSE over scratch, in percent · better →",
        zero=True,
    )


def learning_curves(summary: Summary, rows: Sequence[Mapping[str, Any]]) -> str:
    """RMSE on the training rows by step: mean over seeds, as far as all seeds have the step."""
    curves: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        if row.get("curve"):
            curves.setdefault((row["genre"], row["label"]), []).append(row["curve"])
    panels = []
    for genre in summary.genres:
        lines = {x: _mean_curve(curves.get((genre.name, x.name), [])) for x in summary.labels}
        lines = {label: curve for label, curve in lines.items() if len(curve)}
        if lines:
            panels.append((genre.name, lines))
    panels = panels[:8]
    if not panels:
        return ""
    used = [label for label in summary.labels if any(label in lines for _, lines in panels)]
    columns = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    count = math.ceil(len(panels) / columns)
    panel_height = 2.7 if columns == 1 else 1.75
    with _style():
        top = _legend_height(used)
        figure = _new_figure(top + count * (panel_height + 0.62) + 0.12)
        left, gap = 0.66, 0.5
        width = (_WIDTH - left - 0.1 - gap * (columns - 1)) / columns
        for i, (name, lines) in enumerate(panels):
            line, column = divmod(i, columns)
            x = left + column * (width + gap)
            y = top + line * (panel_height + 0.62) + 0.26
            axes = _add_axes(figure, x, y, width, panel_height)
            for label, curve in lines.items():
                axes.plot(*curve.T, color=_colour(label), linestyle=_dash(label, used))
            _fit_curves(axes, list(lines.values()))
            axes.set_title(_shorten(name), loc="left", fontsize=10)
            axes.grid(True)
            axes.locator_params(nbins=5)
            axes.tick_params(axis="y", labelsize=9, labelcolor=_PLACEHOLDER["muted"])
            if column == 0:
                axes.set_ylabel("training RMSE")
            if i + columns >= len(panels):
                axes.set_xlabel("step")
        handles = [_line(color=_colour(x), linestyle=_dash(x, used), linewidth=1.8) for x in used]
        _legend(figure, handles, [label.name for label in used])
        return _svg(figure, "curves", "Learning curves by genre")


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
    names = [_shorten(label.name) for label in models]
    with _style():
        left = 0.25 + _LETTER * max(len(name) for name in names)
        height, top, gap = 0.27 * len(models) + 0.1, 0.34, 0.3
        figure = _new_figure(height + top + 0.52)
        width = (_WIDTH - left - 0.1 - gap * (len(panels) - 1)) / len(panels)
        for i, (title, values) in enumerate(panels):
            axes = _add_axes(figure, left + i * (width + gap), top, width, height)
            axes.set_title(title, loc="left", fontsize=10)
            axes.set_ylim(len(models) - 0.45, -0.55)
            axes.set_yticks(range(len(models)), names if i == 0 else [""] * len(models))
            axes.tick_params(axis="y", length=0)
            places = [models.index(label) for label in values]
            colours = [_colour(label) for label in values]
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
                texts = [_short_number(number) for number in numbers]
                axes.xaxis.set_major_formatter(lambda value, _: _short_number(value))
            axes.locator_params(axis="x", nbins=3)
            for text, point in zip(texts, zip(numbers, places, strict=True), strict=True):
                axes.annotate(
                    text, point, (5, 0), textcoords="offset points", va="center", fontsize=9
                )
        return _svg(figure, "cost", "Size, latency and RMSE of students and teacher")


# Parts -------------------------------------------------------------------------------------


def _dot_plot(
    summary: Summary,
    labels: Sequence[Label],
    references: Sequence[Label],
    value: Callable[[Cell], tuple[float | None, float | None]],
    name: str,
    x_label: str,
    zero: bool = False,
) -> str:
    """A group for each genre and a lane in it for each label; references cross the whole group."""

    def points(label: Label) -> list[tuple[int, float, float]]:
        found = []
        for i, genre in enumerate(summary.genres):
            if label.name in genre.cells:
                x, error = value(genre.cells[label.name])
                if x is not None and math.isfinite(x):
                    found.append((i, x, error or 0.0))
        return found

    drawn = {label: points(label) for label in (*labels, *references)}
    drawn = {label: found for label, found in drawn.items() if found}
    labels = [label for label in labels if label in drawn]
    references = [label for label in references if label in drawn]
    if not drawn:
        return ""
    lanes = max(len(labels), 1)
    lane = 0.17 if lanes * len(summary.genres) <= 40 else 0.125
    group = max(lane * lanes + 0.14, 0.36)
    names = [_shorten(genre.name) for genre in summary.genres]
    with _style():
        top = _legend_height([*labels, *references]) + 0.05
        left = 0.25 + _LETTER * max(len(text) for text in names)
        height = group * len(names)
        figure = _new_figure(top + height + 0.62)
        axes = _add_axes(figure, left, top, _WIDTH - left - 0.15, height)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.grid(True, axis="x")
        for i in range(0, len(names), 2):
            axes.axhspan(i - 0.5, i + 0.5, color=_PLACEHOLDER["band"], zorder=0, linewidth=0)
        if zero:
            axes.axvline(0, color=_PLACEHOLDER["ink"], linewidth=1.1, zorder=1.5)
        handles = []
        for lane_number, label in enumerate(labels):
            places, x, error = np.array(drawn[label]).T
            offset = ((lane_number + 0.5) / lanes - 0.5) * (lane * lanes / group)
            marker = _marker(label, summary.labels)
            style: dict[str, Any] = {
                "color": _colour(label),
                "marker": marker,
                "markersize": 8.0 if marker in "PX*" else 5.8,
                "markeredgewidth": 0.6,
                "markeredgecolor": _PLACEHOLDER["page"],
                "linestyle": "none",
            }
            axes.errorbar(x, places + offset, xerr=error, elinewidth=1.4, **style)
            handles.append(_line(**style))
        for label in references:
            places, x, _ = np.array(drawn[label]).T
            style = {"color": _colour(label), "linewidth": 1.6}
            dash: Any = (0, (2, 1.2)) if label.method == "bias" else "-"
            axes.vlines(x, places - 0.42, places + 0.42, linestyles=dash, zorder=1.8, **style)
            handles.append(_line(linestyle=dash, **style))
        axes.margins(x=0.03)
        axes.locator_params(axis="x", nbins=9)
        axes.set_xlabel(x_label)
        _legend(figure, handles, [label.name for label in (*labels, *references)])
        return _svg(figure, name, x_label)


def _mean_curve(curves: Sequence[Sequence[Mapping[str, Any]]]) -> np.ndarray:
    """Array of (step, mean RMSE) over the steps that every curve has."""
    known = [[p for p in curve if p.get("rmse") is not None] for curve in curves]
    seeds = [{p["step"]: p["rmse"] for p in c if math.isfinite(p["rmse"])} for c in known]
    steps = sorted(set.intersection(*(set(seed) for seed in seeds))) if seeds else []
    return np.array([(step, np.mean([seed[step] for seed in seeds])) for step in steps], float)


def _fit_curves(axes: Axes, curves: Sequence[np.ndarray]) -> None:
    # An untrained model's first RMSE is several times the rest and would flatten every difference.
    start = 0.1 * max(curve[-1, 0] for curve in curves)
    late = np.concatenate([curve[curve[:, 0] >= start][:, 1] for curve in curves])
    low, high = late.min(), late.max()
    margin = 0.06 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)


def _short_number(value: float) -> str:
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"


def _shorten(text: str) -> str:
    return text if len(text) <= 22 else text[:21] + "…"


def _colour(label: Label) -> str:
    return _PLACEHOLDER[label.method if label.method in PALETTE else "other"]


def _marker(label: Label, labels: Sequence[Label]) -> str:
    students = [other for other in labels if other.is_student]
    return _MARKERS[students.index(label) % len(_MARKERS)]


def _dash(label: Label, labels: Sequence[Label]) -> Any:
    same = [other for other in labels if other.method == label.method]
    # the last variant is drawn solid: "TD k=2" after "TD k=1" is the method in full
    return _DASHES[(len(same) - 1 - same.index(label)) % len(_DASHES)]


def _line(**style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **style)


def _legend_columns(names: Sequence[str]) -> int:
    return max(1, int((_WIDTH - 0.2) / (_LETTER * max(len(name) for name in names) + 0.5)))


def _legend_height(labels: Sequence[Label]) -> float:
    names = [_shorten(label.name) for label in labels]
    return 0.21 * math.ceil(len(names) / _legend_columns(names)) + 0.14


def _legend(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """A legend above the axes, where it can cover nothing; room for it is `_legend_height`."""
    names = [_shorten(name) for name in names]
    columns = _legend_columns(names)
    legend = figure.legend(
        handles,
        [str(i) for i in range(len(names))],
        loc="upper left",
        bbox_to_anchor=(0, 1),
        ncols=min(columns, len(names)),
        frameon=False,
        handlelength=1.7,
        labelspacing=0.35,
    )
    # Set afterwards, since Matplotlib leaves out labels that begin with an underscore.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # text is drawn by the browser, so a letter that Matplotlib's font lacks does no harm
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": "tdrec",
                "text.parse_math": False,  # a "$" in a label is a "$"
                "font.size": 10,
                "axes.labelcolor": _PLACEHOLDER["muted"],
                "axes.edgecolor": _PLACEHOLDER["rule"],
                "axes.spines.left": False,
                "axes.spines.right": False,
                "axes.spines.top": False,
                "axes.axisbelow": True,
                "text.color": _PLACEHOLDER["ink"],
                "xtick.color": _PLACEHOLDER["rule"],
                "ytick.color": _PLACEHOLDER["rule"],
                "xtick.labelcolor": _PLACEHOLDER["muted"],
                "ytick.labelcolor": _PLACEHOLDER["ink"],
                "xtick.labelsize": 9,
                "grid.color": _PLACEHOLDER["rule"],
                "grid.linewidth": 0.7,
                "lines.linewidth": 1.5,
            }
        )
        yield


def _new_figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height))


def _add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed in inches from the upper left, so that the layout never depends on the data."""
    total_width, total = figure.get_size_inches()
    return figure.add_axes(
        (left / total_width, 1 - (top + height) / total, width / total_width, height / total)
    )


def _svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element, its ids made unique and its colours turned into CSS."""
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    svg = buffer.getvalue()
    view_box = re.search(r'viewBox="[^"]*"', svg)
    assert view_box, "Matplotlib writes a viewBox"
    body = svg[svg.index(">", svg.index("<svg")) + 1 :].strip()
    # Matplotlib's style element would hold for the whole page
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{name}-", body)
    variables = {colour: f"var(--{key})" for key, colour in _PLACEHOLDER.items()}
    body = re.sub(
        r"(?<=[:\s])#0000[0-9a-f]{2}\b", lambda m: variables.get(m.group(), m.group()), body
    )
    body = re.sub(r"(?m)[ \t]+$", "", body)
    return f'<svg role="img" aria-label="{title}" {view_box.group()}>\n{body}\n'
