"""What a report of segments says beside that of any task: cold and warm users, and few rows.

The functions are `parts` and `summary_parts` of the kind of task.
"""

from collections.abc import Sequence

import numpy as np

from tdrec.report import drawing, plots
from tdrec.report.document import Block, Cell, Figures, Part, Table, Text
from tdrec.report.evidence import Line, heads
from tdrec.report.section import Label, Section
from tdrec.report.words import DASH, listed, number
from tdrec.studies.comparison import Estimate


def parts(section: Section) -> list[Part]:
    """What is said of one preset and setting.

    Args:
        section: Of segments.
    """
    noun = _noun(section)
    return [
        Part("Users unseen and seen in training", _users(section, noun)),
        Part("Area under the ROC curve", _auc(section, noun)),
        Part(f"All {noun}s together", _all_segments(section, noun)),
    ]


def summary_parts(sections: Sequence[Section]) -> list[Part]:
    """What is said of all of them: students by their share of the rows.

    Args:
        sections: Of segments.
    """
    return [Part("With less data", _shares(sections, _noun(sections[0])))]


def _noun(section: Section) -> str:
    """What a segment is called: as in the rows."""
    return "genre" if "genre" in section.rows[0].details else "segment"


def _users(section: Section, noun: str) -> list[Block]:
    lines: list[Line] = []
    name = section.metric.name
    for task in section.tasks:
        cold = [_mean(section, task, x, f"{name}_cold") for x in section.labels]
        warm = [_mean(section, task, x, f"{name}_warm") for x in section.labels]
        shares = [_mean(section, task, x, "cold_share") for x in section.labels]
        share = next((f"{number(100 * x)} % unseen" for x in shares if x is not None), DASH)
        cells = [Cell(number(c, 4), (number(w, 4),)) for c, w in zip(cold, warm, strict=True)]
        if any(x is not None for x in (*cold, *warm)):
            lines.append([Cell(task, (share,)), *cells])
    note = (
        f"{_capital(section.metric.title)} on evaluation rows of users without training rows, and "
        f"below it of users with them; means over seeds. Under each {noun}: the share of rows of "
        "unseen users."
    )
    return [Text(note), Table([noun.capitalize(), *heads(section.labels)], lines)]


def _auc(section: Section, noun: str) -> list[Block]:
    lines: list[Line] = []
    for task in section.tasks:
        found = [_mean(section, task, x, "auc") for x in section.labels]
        if any(x is not None for x in found):
            lines.append([task, *(number(x, 4) for x in found)])
    note = "How often a row of 1 is predicted above a row of 0; means over seeds."
    return [Text(note), Table([noun.capitalize(), *heads(section.labels)], lines)]


def _mean(section: Section, task: str, label: Label, field: str) -> float | None:
    rows = section.rows_of(label.name, task)
    known = [x for row in rows if (x := row.details.get(field)) is not None]
    return float(np.mean(known)) if known else None


def _all_segments(section: Section, noun: str) -> list[Block]:
    field = f"{section.metric.name}_all_segments"
    found = {row.label: row.details.get(field) for row in section.rows}
    known = [f"{number(x, 4)} of {label}" for label, x in found.items() if x is not None]
    title = _capital(section.metric.title)
    what = f"{title} on the evaluation rows of all {noun}s together: "
    return [Text(f"{what}{listed(known)}." if known else "", note=False)]


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _shares(sections: Sequence[Section], noun: str) -> list[Block]:
    """By preset two plots by the share of the rows trained on: RMSE, and improvement."""
    presets: dict[str, dict[float, Section]] = {}
    for section in sections:
        share = section.rows[0].config.get("rows", 1.0)
        if share < 1 or not section.setting:
            presets.setdefault(section.preset, {}).setdefault(share, section)
    figures, metric = [], sections[0].metric
    for preset, of in presets.items():
        shares = dict(sorted(of.items()))
        ticks = {share: f"{100 * share:g}%" for share in shares}
        labels = list(dict.fromkeys(label for x in shares.values() for label in x.labels))
        values_of: list[plots.Line] = []
        improved: list[plots.Line] = []
        for label in labels if len(shares) > 1 else ():
            look = drawing.look(label, labels)
            values = [(s, x.value(x.overall[-1], label.name)) for s, x in shares.items()]
            points = [(s, Estimate(v.mean)) for s, v in values if v and v.mean is not None]
            values_of.append((label.name, look, points))
            found = [(s, x.overall_versus("scratch", label.name)) for s, x in shares.items()]
            improved.append((label.name, look, [(s, c.improvement) for s, c in found if c]))
        x_label = f"share of the {noun}'s training rows"
        for lines, y_label in ((values_of, metric.title), (improved, plots.IMPROVEMENT)):
            svg = plots.line_plot(lines, ticks, f"shares-{preset}", x_label, y_label, "log")
            figures.append((svg, f"{preset.capitalize()} preset."))
    note = (
        f"Students trained on a share of the {noun}'s rows, in the mean over {noun}s: "
        f"{metric.title}, and the improvement over the student trained from scratch on the same "
        "rows, with its 95% interval."
    )
    return [Text(note), Figures(figures)]
