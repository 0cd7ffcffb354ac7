"""The plots of a study, as SVG text: differences with their intervals, rounds, and shares of rows.

The idea: each plot shows comparisons of `tdrec.study_summary` and computes none; what stands in a
table of the page stands in the plot. `tdrec.drawing` has the look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tdrec import drawing
from tdrec.plots import dot_plot
from tdrec.study_summary import MEAN, SPARSE, share_of_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tdrec.statistics import Interval
    from tdrec.study_summary import Duels, Section


def differences(section: Section, duels: Duels, name: str) -> str:
    """A forest plot: differences of RMSE with their 95% intervals, by genre and in the mean.

    Args:
        section: whose labels and places are shown.
        duels: the comparisons, such as `section.scratch`.
        name: what the ids of the SVG begin with.

    Returns:
        The `<svg>` element; empty when there is nothing to draw.
    """
    points = {}
    for label in section.summary.labels:
        found = [(i, duels.get(label.name, {}).get(p)) for i, p in enumerate(section.places)]
        intervals = [(i, duel.comparison.difference) for i, duel in found if duel]
        points[label] = [(i, x.value, x.low, x.high) for i, x in intervals]
    return dot_plot(
        section.places,
        points,
        name,
        "← better · difference of RMSE · worse →",
        zero=True,
        means=len(section.places) - len(section.summary.genres),
        width=drawing.NARROW,
    )


def rounds_curve(section: Section) -> str:
    """Improvement over scratch by rounds of communication: each genre, and the mean with interval.

    Args:
        section: drawn only if it has labels of several rounds, and each number of rounds once.
    """
    known = [(rounds, section.scratch[label]) for label, rounds in section.rounds.items()]
    found = sorted((item for item in known if MEAN in item[1]), key=lambda item: item[0])
    if len(found) < 2 or len({rounds for rounds, _ in found}) < len(found):
        return ""
    colour = drawing.INK["td"]
    with drawing.style():
        figure = drawing.new_figure(3.4, drawing.NARROW)
        axes = drawing.add_axes(figure, 0.7, 0.36, drawing.NARROW - 0.8, 2.5)
        for place in section.places:
            if place not in (MEAN, SPARSE):
                line = [(k, of[place].comparison.improvement) for k, of in found if place in of]
                y = [improvement.value for _, improvement in line]
                axes.plot([k for k, _ in line], y, color=drawing.INK["muted"], linewidth=0.8)
        means = [of[MEAN].comparison.improvement for _, of in found]
        _with_intervals(axes, [k for k, _ in found], means, color=colour, marker="o")
        axes.set_xticks([k for k, _ in found])
        axes.set_xlabel("rounds of communication")
        axes.set_ylabel("improvement over scratch, %")
        handles = [
            drawing.line(color=colour, marker="o", linewidth=1.8),
            drawing.line(color=drawing.INK["muted"], linewidth=0.8),
        ]
        drawing.legend(figure, handles, ["mean, 95% interval", "each genre"])
        return drawing.to_svg(figure, "rounds", "Improvement over scratch by rounds")


def share_curves(sections: Sequence[Section]) -> tuple[str, ...]:
    """Two plots by the share of the genre's rows that was trained on: RMSE, and improvement.

    Args:
        sections: of one regime; those whose setting is no share of rows are passed over.

    Returns:
        The two `<svg>` elements; none when there are fewer than two shares.
    """
    known = [(share_of_rows(x.setting), x) for x in sections if x.summary.complete]
    shares = sorted(((s, x) for s, x in known if s is not None), key=lambda item: item[0])
    if len(shares) < 2:
        return ()
    return tuple(
        _share_curve(shares, name, title)
        for name, title in (("rmse", "RMSE"), ("improvement", "improvement over scratch, %"))
    )


def _share_curve(shares: Sequence[tuple[float, Section]], name: str, title: str) -> str:
    labels = list({x: None for _, section in shares for x in section.summary.labels})
    shown = [label for label in labels if label.is_distilled or name == "rmse"]
    names = [label.name for label in shown]
    with drawing.style():
        top = drawing.legend_height(names, drawing.NARROW) + 0.1
        figure = drawing.new_figure(top + 3.1, drawing.NARROW)
        axes = drawing.add_axes(figure, 0.7, top, drawing.NARROW - 0.8, 2.5)
        handles = []
        for number, label in enumerate(shown):
            look: dict[str, Any] = {
                "color": drawing.colour(label),
                "linestyle": drawing.dash(label, labels),
                "marker": drawing.marker(label, labels) if label.is_student else "",
                "markersize": 5,
            }
            handles.append(drawing.line(**look))
            if name == "rmse":
                totals = [(share, x.summary.totals.get(label.name)) for share, x in shares]
                means = [(share, total.rmse) for share, total in totals if total]
                axes.plot(*zip(*means, strict=True), **look)
                continue
            duels = [(share, x.scratch.get(label.name, {}).get(MEAN)) for share, x in shares]
            improved = [(s, duel.comparison.improvement) for s, duel in duels if duel]
            # side by side, so that no interval hides another
            places = [share * 1.03 ** (number - len(shown) / 2) for share, _ in improved]
            _with_intervals(axes, places, [interval for _, interval in improved], **look)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks([share for share, _ in shares], [f"{100 * s:g}%" for s, _ in shares])
        axes.set_xlabel("share of the genre's training rows")
        axes.set_ylabel(title)
        axes.grid(True, axis="y")
        drawing.legend(figure, handles, names)
        return drawing.to_svg(figure, f"shares-{name}", f"{title} by share of the rows")


def _with_intervals(
    axes: Axes, x: Sequence[float], intervals: Sequence[Interval], **look: Any
) -> None:
    """A line of values with their intervals, and one at zero that they may cross."""
    y = [interval.value for interval in intervals]
    below = [interval.value - interval.low for interval in intervals]
    above = [interval.high - interval.value for interval in intervals]
    axes.errorbar(x, y, yerr=(below, above), elinewidth=1.3, linewidth=1.6, zorder=3, **look)
    axes.axhline(0, color=drawing.INK["ink"], linewidth=1.1, zorder=1.5)
    axes.grid(True, axis="y")
