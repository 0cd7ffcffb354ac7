"""What every plot is drawn with: colours of the page, axes in inches, and SVG as text.

The idea: Matplotlib lays a plot out, the page colours it. Every colour is drawn as a placeholder
and replaced by a CSS variable, so that one SVG is right on a light and on a dark page. Text stays
text and takes the page's font. The same numbers always give the same bytes: no dates, fixed ids,
and Matplotlib's own defaults instead of the reader's settings.

A method keeps its colour in every plot (after Okabe and Ito, https://jfly.uni-koeln.de/color/, safe
for colour-blind readers); labels of one method differ by marker and line style.

Example:

    with style():
        figure = new_figure(height=3.0)
        add_axes(figure, 0.6, 0.1, 8.0, 2.5).plot([0, 1], color=INK["td"])
        text = to_svg(figure, "name", "What is drawn")
"""

from __future__ import annotations

import hashlib
import html
import io
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tdrec.summary import Label

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
    "heat": (
        "#2b93cf",
        "#1d6ba3",
    ),  # the end of a scale from the page's colour; ink shows on all of it
}
INK = {name: f"#0000{i:02x}" for i, name in enumerate(PALETTE, start=1)}

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
WIDTH = 9.0  # inches, or 648 units of the SVG: the page scales it
NARROW = 6.0  # inches of a plot that is to be read on a narrow screen, too
LETTER = 0.078  # inches, a generous mean width of a letter at 10 points


def short_number(value: float) -> str:
    """Three significant digits: 61234 -> "61.2 k"."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"


def shorten(text: str) -> str:
    """A name as long as there is room for."""
    return text if len(text) <= 22 else text[:21] + "…"


def colour(label: Label) -> str:
    """The method's colour, which all its labels share."""
    return INK[label.method if label.method in PALETTE else "other"]


def marker(label: Label, labels: Sequence[Label]) -> str:
    """The marker of one of the page's students: each has another."""
    students = [other for other in labels if other.is_student]
    return _MARKERS[students.index(label) % len(_MARKERS)]


def mark(label: Label, labels: Sequence[Label]) -> dict[str, Any]:
    """How points of a label are drawn, as arguments of Matplotlib."""
    shape = marker(label, labels)
    return {
        "color": colour(label),
        "marker": shape,
        "markersize": 8.0 if shape in "PX*" else 5.8,
        "markeredgewidth": 0.6,
        "markeredgecolor": INK["page"],
        "linestyle": "none",
    }


def dash(label: Label, labels: Sequence[Label]) -> Any:
    """The line style of one of the page's labels: those of one method differ."""
    same = [other for other in labels if other.method == label.method]
    # the last variant is drawn solid: "TD k=2" after "TD k=1" is the method in full
    return _DASHES[(len(same) - 1 - same.index(label)) % len(_DASHES)]


def line(**style: Any) -> Any:
    """A handle for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **style)


def _legend_columns(names: Sequence[str], width: float) -> int:
    return max(1, int((width - 0.2) / (LETTER * max(len(name) for name in names) + 0.5)))


def legend_height(names: Sequence[str], width: float = WIDTH) -> float:
    """Inches that `legend` takes in a figure of this width."""
    columns = _legend_columns([shorten(name) for name in names], width)
    return 0.21 * math.ceil(len(names) / columns) + 0.14


def legend(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """A legend above the axes, where it can cover nothing; room for it is `legend_height`."""
    names = [shorten(name) for name in names]
    columns = _legend_columns(names, float(figure.get_size_inches()[0]))
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
def style() -> Iterator[None]:
    """Matplotlib's defaults and the page's look, whatever the reader's settings are."""
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
                "axes.labelcolor": INK["muted"],
                "axes.edgecolor": INK["rule"],
                "axes.spines.left": False,
                "axes.spines.right": False,
                "axes.spines.top": False,
                "axes.axisbelow": True,
                "text.color": INK["ink"],
                "xtick.color": INK["rule"],
                "ytick.color": INK["rule"],
                "xtick.labelcolor": INK["muted"],
                "ytick.labelcolor": INK["ink"],
                "xtick.labelsize": 9,
                "grid.color": INK["rule"],
                "grid.linewidth": 0.7,
                "lines.linewidth": 1.5,
            }
        )
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """A figure of a height and a width in inches, by default the page's."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes placed in inches from the upper left, so that the layout never depends on the data."""
    total_width, total = figure.get_size_inches()
    return figure.add_axes(
        (left / total_width, 1 - (top + height) / total, width / total_width, height / total)
    )


def to_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element, its ids made unique and its colours turned into CSS.

    Args:
        figure: what is drawn.
        name: what its ids begin with.
        title: what it shows, for those who do not see it.
    """
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    svg = buffer.getvalue()
    view_box = re.search(r'viewBox="[^"]*"', svg)
    assert view_box, "Matplotlib writes a viewBox"
    body = svg[svg.index(">", svg.index("<svg")) + 1 :].strip()
    # Matplotlib's style element would hold for the whole page
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    prefix = f"{name}-{hashlib.sha256(body.encode()).hexdigest()[:8]}"  # a page has many figures
    body = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}-", body)
    variables = {colour: f"var(--{key})" for key, colour in INK.items()}
    body = re.sub(
        r"(?<=[:\s])#0000[0-9a-f]{2}\b", lambda m: variables.get(m.group(), m.group()), body
    )
    body = re.sub(r"(?m)[ \t]+$", "", body)
    return f'<svg role="img" aria-label="{html.escape(title)}" {view_box.group()}>\n{body}\n'
