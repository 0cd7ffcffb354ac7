"""Prognosis: what a forecast says before one distils, as findings of the doctor."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tdrec.diagnostics.finding import FAIL, OK, WARN, Finding
from tdrec.report.claims import INTERVAL, claim
from tdrec.report.forecast import Forecast
from tdrec.report.words import interval, share
from tdrec.studies.comparison import Comparison, Verdict
from tdrec.studies.metric import Metric

HURTS = (
    "Train the teacher longer or on rows of this segment too, or take a method that does not read "
    "its predictions; else serve the student from scratch."
)
NOT_SHOWN = (
    "Expect little of its predictions: a gap that is not shown may be none, or the other way "
    "round on later rows. More --seeds narrow the interval where seeds differ; where users do, "
    "only more rows will."
)
NO_GAIN = (
    "Do not count on it: serve the student from scratch unless later rows show a gain. More --seeds"
    " narrow the interval where seeds differ; where users do, only more rows will."
)
LOSES = "Serve the student from scratch, take another method, or lower its weight."
DIVERGED = "Lower the learning rate, and see what the other checks say."


def check_gap(forecast: Forecast, metric: Metric, reads_predictions: bool, on: str) -> Finding:
    """Says whether the teacher is shown to be better than students from scratch.

    Args:
        forecast: Of the method.
        metric: What was compared.
        reads_predictions: Whether the method reads the teacher's predictions.
        on: The rows and seeds that show it, in words.

    Returns:
        OK only where the teacher is shown to be better. Where it is shown to be worse, FAIL for a
        method that reads its predictions; its states may still be of use. WARN else.
    """
    worse = FAIL if reads_predictions else WARN
    remedies: Mapping[Verdict, tuple[str, str | None]] = {
        "better": (OK, None),
        "worse": (worse, HURTS),
        "unclear": (WARN, NOT_SHOWN),
        "one seed": (WARN, NOT_SHOWN),
    }
    return _finding("teacher", forecast.gap, metric, remedies, on)


def check_gain(forecast: Forecast, metric: Metric, on: str) -> Finding:
    """Says whether the method is shown to be better than scratch, and which share of the gap.

    Args:
        forecast: Of the method.
        metric: What was compared.
        on: As in `check_gap`.

    Returns:
        OK where it is shown to be better, FAIL where worse, WARN else.
    """
    remedies: Mapping[Verdict, tuple[str, str | None]] = {
        "better": (OK, None),
        "worse": (FAIL, LOSES),
        "unclear": (WARN, NO_GAIN),
        "one seed": (WARN, NO_GAIN),
    }
    foretold = "No gap to the teacher is shown, so no share of it is foretold."
    if forecast.share:
        ends = interval(forecast.share, share, INTERVAL)
        foretold = f"Foretold share of the gap to the teacher: {share(forecast.share.value)}{ends}."
    figures = {"share_of_gap": forecast.share and asdict(forecast.share)}
    return _finding("gain", forecast.gain, metric, remedies, f"{foretold} {on}", figures)


def _finding(
    check: str,
    compared: Comparison | None,
    metric: Metric,
    remedies: Mapping[Verdict, tuple[str, str | None]],
    more: str,
    figures: Mapping[str, Any] | None = None,
) -> Finding:
    if compared is None:
        return Finding(check, FAIL, f"It is not compared, since a run diverged. {more}", DIVERGED)
    status, remedy = remedies[compared.verdict]
    found = {**asdict(compared), "metric": metric.name, **(figures or {})}
    return Finding(check, status, f"{claim(compared, metric)} {more}", remedy, found)
