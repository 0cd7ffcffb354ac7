"""What a report of next movies says beside that of any task: other metrics, and item-kNN."""

from collections.abc import Sequence

import numpy as np

from tdrec.report.document import Block, Part, Table, Text
from tdrec.report.evidence import LEGEND, Line, compared_cell, heads
from tdrec.report.section import Section
from tdrec.report.words import number
from tdrec.studies.comparison import compare
from tdrec.tasks import segment_report

_DETAILS = {"Recall@10": "recall", "MRR": "mrr"}


def parts(section: Section) -> list[Part]:
    """What is said of one preset and setting.

    Args:
        section: Of next movies.
    """
    return [
        Part("Against item-kNN", _against_item_knn(section)),
        Part("Other metrics", _other_metrics(section)),
        *segment_report.parts(section),
    ]


def _against_item_knn(section: Section) -> Sequence[Block]:
    """Students against the method without training that is hardest to beat."""
    other = section.by_method("item_knn")
    if other is None:
        return []
    lines: list[Line] = []
    for task in section.tasks:
        line: Line = [task]
        theirs = section.scores(task, other.name)
        for label in section.students:
            own = section.scores(task, label.name)
            found = compare([(own, theirs)], section.metric) if own and theirs else None
            line.append(compared_cell(found, section.metric.digits))
        lines.append(line)
    note = f"Difference of {section.metric.title} from item-kNN, with its 95% interval. {LEGEND}"
    return [Text(note), Table(["Genre", *heads(section.students)], lines)]


def _other_metrics(section: Section) -> Sequence[Block]:
    lines: list[Line] = []
    for task in section.tasks:
        for title, field in _DETAILS.items():
            means = []
            for label in section.labels:
                rows = section.rows_of(label.name, task)
                known = [x for row in rows if (x := row.details.get(field)) is not None]
                means.append(number(float(np.mean(known)) if known else None, 4))
            lines.append([f"{task}: {title}", *means])
    note = (
        "Means over seeds. All movies of the genre are ranked but those that the user has seen, "
        "by every method alike; a movie without training rows counts as missed."
    )
    return [Text(note), Table(["Genre and metric", *heads(section.labels)], lines)]
