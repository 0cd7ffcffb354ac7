"""Numbers and names as a report writes them."""

import math
from collections.abc import Callable, Sequence

from tdrec.studies.comparison import Estimate

DASH = "–"
GAP = "\u00a0"
"""A space at which no line breaks."""


def number(value: float | None, digits: int = 0) -> str:
    """12345.678 -> "12,346"; a dash for None and what is not finite."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,.{digits}f}".replace("-", "−")


def signed(value: float, digits: int) -> str:
    """A difference with its sign: -0.00123 -> "−0.0012"; what rounds to zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def percent(value: float) -> str:
    """An improvement: 0.123 -> "+0.12 %"; a dash for what is not finite."""
    return f"{signed(value, 2)}{GAP}%" if math.isfinite(value) else DASH


def share(value: float) -> str:
    """A share of a whole: 0.4321 -> "43 %"."""
    return f"{100 * value:.0f}{GAP}%".replace("-", "−")


def interval(estimate: Estimate, text: Callable[[float], str], words: str = "{} to {}") -> str:
    """The ends of an estimate's interval in words; "" where it has none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return words.format(text(estimate.low), text(estimate.high))


def quantity(value: float | None, unit: str = "", prefixes: str = "kMGT") -> str:
    """Three significant digits: 61234, "B" -> "61.2 kB"; without prefixes 61,234 B."""
    if value is None:
        return DASH
    for power, prefix in reversed(list(enumerate(prefixes, start=1))):
        if abs(value) >= 0.9995 * 1000**power:
            return f"{value / 1000**power:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".strip() if abs(value) < 999.5 else f"{value:,.0f} {unit}".strip()


def ratio(one: float | None, other: float | None) -> str:
    """How many times the other goes into the one: "2.5×"."""
    return f"{one / other:.3g}×" if one and other else DASH


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def counted(count: int, noun: str) -> str:
    """1, "task" -> "1 task"; 8, "task" -> "8 tasks"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
