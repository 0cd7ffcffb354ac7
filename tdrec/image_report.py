"""The report of image tasks: one HTML page, and the same in Markdown and CSV.

The idea: `summarise_images` has the numbers and `image_claims` the sentences; here they are laid
out, the sentences first, then the evidence. Where a task is a data set of the paper, the paper's
figures stand beside ours.

Example:

    write_image_report(
        read_rows("results/images/results.jsonl"),
        "results/images",
        command="python -m tdrec.run_images",
    )
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdrec.image_alignment import Alignment
from tdrec.image_claims import image_claims
from tdrec.image_config import reads_predictions
from tdrec.image_summary import Cell, Difference, ImageSummary, summarise_images
from tdrec.page import (
    DASH,
    GLOSSARY,
    csv_text,
    data_warnings,
    listed,
    number,
    provenance,
    render,
    settings,
    write_pages,
)
from tdrec.paper_tables import IMAGE_CAVEAT, IMAGE_DATA, PAPER_IMAGE_SCRATCH, PAPER_IMAGE_TABLES
from tdrec.results import Row
from tdrec.summary import Label

TITLE = "Students of image tasks: what distillation gave"

BAR = (
    '"Better" and "worse" mean: the 95% interval of the difference of accuracy, paired by seed, '
    "excludes zero. Otherwise no difference is shown, which is not to say that there is none."
)

LEGEND = (
    "▼ worse, by an interval that excludes zero: than scratch, that is negative transfer. ≈ no "
    "difference shown: zero is in the interval, or there is one seed only. – no result."
)

COMMON = "Common tasks: those on which every student has runs."

READING = (
    "Each seed draws its own training images and initial weights, the same for all methods. "
    "Intervals are of Student's t over the seeds, so they cover both draws. They say nothing about "
    "other evaluation images: those are fixed.",
    "Standard errors (±) are over seeds: how far an accuracy depends on these draws.",
    "With few seeds intervals are wide: 12.7 standard errors to each side with two seeds, 4.3 with "
    "three, 2.8 with five.",
    "Where two methods do not differ, one interval in twenty excludes zero by chance: of many "
    "comparisons some do.",
    "A mean over tasks gives each task the same weight. It is of the seeds that a label has in all "
    "of these tasks.",
    "Learning curves are on training images.",
)

METHODS: Mapping[str, str] = dict(GLOSSARY) | {
    "teacher": "Teacher: the large model; it has a line only where it has the task's labels.",
    "scratch": "Scratch: the small student trained on the task's images and labels alone.",
}

COSTS = ("params", "multiply_adds", "method_params", "train_multiply_adds", "train_seconds")

CSV_FIELDS = (
    *("task", "label", "method", "n_train", "n_test", "seeds", "accuracy", "accuracy_se"),
    *("other", "other_method", "difference", "low", "high", "verdict", "pairs"),
    *COSTS,
)
"""Columns of `results.csv`: first a line for each place and label, with its accuracy and its costs
(medians over all its runs); then one for each comparison: `label` minus `other`."""


@dataclass(frozen=True)
class Comparisons:
    """A table of differences.

    Attributes:
        name: of its figure.
        title: what is compared.
        lines: the labels that are compared with scratch, or that TD is compared with; for each a
            difference at each place of the summary, or None.
    """

    name: str
    title: str
    lines: tuple[tuple[Label, tuple[Difference | None, ...]], ...]


def to_markdown(
    summary: ImageSummary,
    rows: Sequence[Row],
    *,
    command: str,
    title: str = TITLE,
    notes: Sequence[str] = (),
) -> str:
    """The report as Markdown, without plots.

    Args:
        summary: `summarise_images(rows)`.
        rows: the rows, for what no summary keeps: curves, data, settings, versions.
        command: how to reproduce the rows.
        title: of the page.
        notes: further sentences for its head, such as why a task lacks a method.
    """
    return render("images.md", _context(summary, rows, command, title, notes))


def to_html(
    summary: ImageSummary,
    rows: Sequence[Row],
    *,
    command: str,
    title: str = TITLE,
    notes: Sequence[str] = (),
) -> str:
    """The report as one HTML file that needs nothing else; arguments as for `to_markdown`."""
    from tdrec import drawing, image_plots

    context = _context(summary, rows, command, title, notes)
    versus = {
        f"versus-{i}": image_plots.differences_from_others(summary, label, f"versus-{i}")
        for i, label in _talkers(summary)
    }
    context |= {
        "palette": drawing.PALETTE,
        "figures": {
            "accuracy": image_plots.accuracy_by_task(summary),
            "curves": image_plots.learning_curves(summary, rows),
            "scratch": image_plots.differences_from_scratch(summary),
            **versus,
        },
        "maps": {
            task: _maps(found, f"cka-{i}")
            for i, (task, found) in enumerate(summary.alignments.items(), start=1)
        },
    }
    return render("images.html", context)


def to_csv(summary: ImageSummary) -> str:
    """Accuracies, and then all comparisons of the page, as `CSV_FIELDS` says.

    Returns:
        What `csv_text` gives.
    """
    sizes = {task.name: {"n_train": task.n_train, "n_test": task.n_test} for task in summary.tasks}
    lines: list[dict[str, Any]] = []
    for place in summary.places:
        of_place = {"task": place.name, **sizes.get(place.name, {})}
        for label in summary.labels:
            if cell := place.cells.get(label.name):
                line = of_place | {"label": label.name, "method": label.method, "seeds": cell.n}
                line |= {"accuracy": cell.accuracy, "accuracy_se": cell.se}
                cost = summary.costs[label.name]
                lines.append(line | {field: getattr(cost, field) for field in COSTS})
    for place in summary.places:
        for label in summary.distilled:
            for other in _others(summary, label):
                if found := place.difference(label.name, other.name):
                    lines.append(
                        {
                            "task": place.name,
                            "label": label.name,
                            "method": label.method,
                            "other": other.name,
                            "other_method": other.method,
                            "difference": found.value,
                            "low": found.interval.low if found.interval else None,
                            "high": found.interval.high if found.interval else None,
                            "verdict": found.verdict,
                            "pairs": found.n,
                        }
                    )
    return csv_text(CSV_FIELDS, lines)


def write_image_report(
    rows: Sequence[Row],
    out_dir: str | os.PathLike[str],
    command: str,
    *,
    title: str = TITLE,
    notes: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Writes `report.md`, `report.html` and `results.csv`.

    All three are made before any is written, and each replaces its old version in one step:
    whatever fails, the old report is still there.

    Args:
        rows: of the runs, finished or not; `summarise_images` has their fields.
        out_dir: where to; made if need be.
        command: how to reproduce the rows.
        title: of the page.
        notes: further sentences for its head, such as why a task lacks a method.

    Returns:
        The paths of the three files.

    Raises:
        ValueError: what `summarise_images` refuses.
        ImportError: SciPy is missing.
    """
    summary = summarise_images(rows)
    return write_pages(
        out_dir,
        {
            "report.md": to_markdown(summary, rows, command=command, title=title, notes=notes),
            "report.html": to_html(summary, rows, command=command, title=title, notes=notes),
            "results.csv": to_csv(summary),
        },
    )


# Parts -------------------------------------------------------------------------------------


def _context(
    summary: ImageSummary, rows: Sequence[Row], command: str, title: str, notes: Sequence[str]
) -> dict[str, Any]:
    by_label = {x.name: [row for row in rows if row["label"] == x.name] for x in summary.labels}
    return provenance(rows, summary.labels, command, METHODS) | {
        "title": title,
        "summary": summary,
        "sizes": {task.name: task for task in summary.tasks},
        "claims": image_claims(summary),
        "comparisons": _comparisons(summary),
        "warnings": [*_data_warnings(summary, rows), *_unfinished(summary, rows)],
        "notes": notes,
        "common": COMMON if any(len(x.tasks) < len(summary.tasks) for x in summary.means) else "",
        "bar": BAR,
        "legend": LEGEND,
        "reading": READING,
        "facts": _facts(summary, rows),
        "papers": _papers(summary),
        "diagonals": [_diagonals(summary, task) for task in summary.alignments],
        "paper_note": IMAGE_CAVEAT,
        "configs": settings(by_label),
    }


def _talkers(summary: ImageSummary) -> list[tuple[int, Label]]:
    """The labels of TD, numbered, that there is another student to compare with."""
    talkers = [x for x in summary.distilled if x.method == "td" and len(summary.students) > 1]
    return list(enumerate(talkers, start=1))


def _others(summary: ImageSummary, label: Label) -> tuple[Label, ...]:
    """What a label is compared with on the page: scratch, and for TD every other student."""
    is_talker = label.method == "td"
    return tuple(x for x in summary.students if x != label and (is_talker or x.method == "scratch"))


def _comparisons(summary: ImageSummary) -> list[Comparisons]:
    def differences(label: Label, other: Label) -> tuple[Difference | None, ...]:
        return tuple(place.difference(label.name, other.name) for place in summary.places)

    found = []
    scratch = next((label for label in summary.labels if label.method == "scratch"), None)
    if scratch and summary.distilled:
        lines = tuple((label, differences(label, scratch)) for label in summary.distilled)
        found.append(Comparisons("scratch", "Difference from scratch", lines))
    for i, label in _talkers(summary):
        lines = tuple((other, differences(label, other)) for other in _others(summary, label))
        found.append(Comparisons(f"versus-{i}", f"{label.name} minus each of the others", lines))
    return found


def _diagonals(summary: ImageSummary, task: str) -> dict[str, Any]:
    """Of a task: CKA of each state with its own counterpart, mean over classes, by label."""
    by_label = {x: summary.alignments[task].get(x.name) for x in summary.labels}
    means = {label: found.diagonal for label, found in by_label.items() if found}
    states = list(dict.fromkeys(state for values in means.values() for state in values))
    lines = [
        (label, [_known(values.get(state)) for state in states]) for label, values in means.items()
    ]
    return {"task": task, "states": states, "lines": lines}


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _maps(alignments: Mapping[str, Alignment], name: str) -> list[tuple[str, str]]:
    """The heat maps of a task as (caption, svg): the labels' means over classes, then each label's
    classes, the last label's first: it is TD, if any is."""
    from tdrec import image_plots

    students = list(dict.fromkeys(x for found in alignments.values() for x in found.student))
    teachers = list(dict.fromkeys(x for found in alignments.values() for x in found.teacher))
    means = {label: found.select(students, teachers).mean for label, found in alignments.items()}
    title = "CKA of student and teacher, mean over the classes"
    svg = image_plots.alignment_maps(means, students, teachers, name, title)
    found = [("Each student: mean over the classes.", svg)]
    for i, (label, x) in reversed(list(enumerate(alignments.items(), start=1))):
        title = f"CKA of {label} and teacher by class"
        svg = image_plots.alignment_maps(x.classes, x.student, x.teacher, f"{name}-{i}", title)
        found.append((f"{label}: each class.", svg))
    return found


def _data_warnings(summary: ImageSummary, rows: Sequence[Row]) -> list[str]:
    """Of each task on its own: tasks may well be of different data sets."""
    found = [
        data_warnings([row for row in rows if row["task"] == task.name]) for task in summary.tasks
    ]
    return list(dict.fromkeys(text for texts in found for text in texts))


def _unfinished(summary: ImageSummary, rows: Sequence[Row]) -> list[str]:
    """A warning if runs are missing that the task could have."""
    of_its_labels = set()
    for row in rows:
        arguments = (row.get("config") or {}).get("methods", {}).get(row["method"], {})
        if reads_predictions(row["method"], arguments):
            of_its_labels.add(row["label"])
    missing = []
    for place in summary.of_tasks:
        lacks_labels = not of_its_labels & set(place.cells)
        for label in summary.students:
            runs = place.cells[label.name].n if label.name in place.cells else 0
            expected = 0 if lacks_labels and label.name in of_its_labels else 1
            if runs < expected * summary.most_runs:
                missing.append(f"{label.name} on {place.name} ({runs})")
    if not missing:
        return []
    return [
        f"Unfinished: fewer runs than the others, which have {summary.most_runs}: "
        f"{listed(missing)}."
    ]


def _facts(summary: ImageSummary, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What the rows say about each data set and task, as (name, value) to print."""
    sets = {(x.get("name"), x.get("sha256")): x for row in rows if (x := row.get("data"))}
    found = []
    for data in sets.values():
        found += [
            ("Data", str(data.get("name") or DASH)),
            ("SHA-256", str(data.get("sha256") or DASH)),
            ("Training images", number(data.get("n_train"), 0)),
            ("Evaluation images", number(data.get("n_test"), 0)),
        ]
    for task in summary.tasks:
        train, test = number(task.n_train, 0), number(task.n_test, 0)
        shown = ", ".join(task.classes[:20]) + (", …" if len(task.classes) > 20 else "")
        classes = f"; classes ({len(task.classes)}): {shown}" if shown else ""
        found.append((task.name, f"{train} training images, {test} evaluation images{classes}"))
    return found


PaperCell = tuple[float, float, list[tuple[str, Cell]]]
"""The paper's accuracy, its difference from the paper's scratch, and what we have by label."""


def _papers(summary: ImageSummary) -> list[dict[str, Any]]:
    """The paper's tables of which at least two rows are repeated here: a table compares rows."""
    places = [place for place in summary.of_tasks if place.name in IMAGE_DATA]
    found = []
    for table in PAPER_IMAGE_TABLES:
        lines: list[tuple[str, list[PaperCell]]] = []
        for name, figures in table.rows.items():
            own = [x for x in summary.students if table.ours.get(name) in (x.method, x.name)]
            cells = []
            for place in places:
                i = IMAGE_DATA.index(place.name)
                ours = [(x.name, place.cells[x.name]) for x in own if x.name in place.cells]
                cells.append((figures[i], figures[i] - PAPER_IMAGE_SCRATCH[i], ours))
            lines.append((name, cells))
        if sum(any(ours for *_, ours in cells) for _, cells in lines) >= 2:
            found.append({"table": table, "places": places, "lines": lines})
    return found
