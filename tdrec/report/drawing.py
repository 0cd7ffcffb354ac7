"""What every plot is drawn with: the colours of the page, Matplotlib's layout, and SVG as text.

The idea: Matplotlib lays a plot out, the page colours it. Every colour is drawn as a placeholder
and replaced by a CSS variable, so that one SVG is right on a light and on a dark page. Text stays
text and takes the page's font. The same numbers always give the same bytes: no dates, fixed ids,
and Matplotlib's own defaults instead of the reader's settings.

A method keeps its colour in every plot (after Okabe and Ito, https://jfly.uni-koeln.de/color/, safe
for colour-blind readers); labels of one method differ by marker and line style.

Example:
    >>> with canvas(height=3.0) as figure:
    ...     _ = figure.subplots().plot([0, 1], color=INK["td"])
    ...     svg = to_svg(figure, "name", "What is drawn")
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tdrec.report.section import Label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE: Mapping[str, tuple[str, str]] = {
    "bias": ("#8a6d00", "#e6c34d"),
    "teacher": ("#4b5563", "#b6bec9"),
    "scratch": ("#1f2328", "#f2f4f6"),
    "ld": ("#005a9e", "#4a9ede"),
    "fd": ("#2b93cf", "#9ad8fb"),
    "fitnet": ("#00875f", "#2fc294"),
    "hybrid": ("#bb5f92", "#e79cc6"),
    "td": ("#cc4e00", "#ff8a45"),
    "trusted_ld": ("#6f3b1f", "#c9a08a"),
    "grading": ("#a3195b", "#ff8fbc"),
    "other": ("#7a4fb5", "#b795ea"),
    "ink": ("#1f2328", "#e6e8eb"),
    "muted": ("#5c6570", "#9aa4af"),
    "rule": ("#d8dce1", "#363d46"),
    "band": ("#f4f5f7", "#1d2228"),
    "page": ("#ffffff", "#14181d"),
    "heat": ("#2b93cf", "#1d6ba3"),
}
"""CSS variables and their colours on a light and on a dark page. "heat" is the end of a scale that
begins at the page's colour; ink can be read on all of it."""

INK = {name: f"#0000{i:02x}" for i, name in enumerate(PALETTE, start=1)}
"""The placeholder of each variable."""

WIDTH = 6.0
"""Inches of a plot: 432 units of the SVG, which a narrow screen can still show."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_LETTER = 0.08  # inches, a generous mean width of a letter at 10 points


def shorten(text: str) -> str:
    """A name as long as there is room for: variants differ at the end."""
    return text if len(text) <= 22 else f"{text[:12]}…{text[-9:]}"


def colour(label: Label) -> str:
    """The method's colour, which all its labels share."""
    return INK[label.method if label.method in PALETTE else "other"]


def look(label: Label, labels: Sequence[Label]) -> dict[str, Any]:
    """How a label's lines and points are drawn, as arguments of Matplotlib.

    Args:
        label: One of the page's.
        labels: The page's: each of its students has another marker.
    """
    students = [other for other in labels if other.is_student]
    same = [other for other in labels if other.method == label.method]
    marker = _MARKERS[students.index(label) % len(_MARKERS)] if label in students else ""
    return {
        "color": colour(label),
        # the last variant is drawn solid: "TD k=2" after "TD k=1" is the method in full
        "linestyle": _DASHES[(len(same) - 1 - same.index(label)) % len(_DASHES)],
        "marker": marker,
        "markersize": 8.0 if marker in tuple("PX*") else 5.8,
        "markeredgewidth": 0.6,
        "markeredgecolor": INK["page"],
    }


def legend(figure: Figure, looks: Mapping[str, Mapping[str, Any]]) -> None:
    """A legend above the axes, where it can cover nothing.

    Args:
        figure: With its final width.
        looks: How each name is drawn.
    """
    from matplotlib.lines import Line2D

    names = [shorten(name) for name in looks]
    columns = int(figure.get_figwidth() / (_LETTER * max(map(len, names)) + 0.5))
    made = figure.legend(
        [Line2D([], [], **style) for style in looks.values()],
        [str(i) for i in range(len(names))],
        loc="outside upper left",
        ncols=max(1, min(columns, len(names))),
        frameon=False,
        handlelength=1.7,
        labelspacing=0.35,
    )
    # Set afterwards, since Matplotlib leaves out labels that begin with an underscore.
    for text, name in zip(made.get_texts(), names, strict=True):
        text.set_text(name)


@contextmanager
def canvas(height: float) -> Iterator[Figure]:
    """A figure with the page's look, whatever the reader's settings are; to be saved within.

    Args:
        height: In inches.
    """
    import matplotlib
    from matplotlib.figure import Figure

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
                "axes.titlesize": 10,
                "axes.titlelocation": "left",
                "text.color": INK["ink"],
                "xtick.color": INK["rule"],
                "ytick.color": INK["rule"],
                "xtick.labelcolor": INK["muted"],
                "ytick.labelcolor": INK["ink"],
                "xtick.labelsize": 9,
                "ytick.labelsize": 9,
                "grid.color": INK["rule"],
                "grid.linewidth": 0.7,
                "lines.linewidth": 1.5,
            }
        )
        yield Figure(figsize=(WIDTH, height), layout="constrained")


def to_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an `<svg>` element, its ids made unique and its colours turned into CSS.

    Args:
        figure: What is drawn.
        name: What its ids begin with.
        title: What it shows, for those who do not see it.
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
    body = re.sub(r"(?<=[:\s])#0000[0-9a-f]{2}\b", lambda m: variables.get(m[0], m[0]), body)
    body = re.sub(r"(?m)[ \t]+$", "", body)
    return f'<svg role="img" aria-label="{html.escape(title)}" {view_box[0]}>\n{body}\n'
