"""The report of a study: one HTML page, and the same in Markdown and CSV.

The idea: `tdrec.report.section` compares what may be compared, `claims` says it in sentences, and
`evidence` shows the tables and plots that the sentences are read from: for each preset and setting
the claims first. A kind of task adds parts of its own.

Example:
    >>> from tdrec.studies.metric import RMSE
    >>> typed = "python -m tdrec.study table3"
    >>> paths = write_report("results", rows, title="Table 3", command=typed, metric=RMSE)
    >>> [path.name for path in paths]
    ['report.html', 'report.md', 'report.csv']
"""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from tdrec.report.choices import choices
from tdrec.report.claims import OTHERS, not_shown
from tdrec.report.document import Block, Code, Document, Part, Points, Table, Text
from tdrec.report.evidence import COSTS, at_a_glance, median_cost, section_blocks
from tdrec.report.section import Label, Section, make_sections
from tdrec.report.words import DASH, counted, listed
from tdrec.runtime.files import replace_file, user_path
from tdrec.studies.arm import NAMES
from tdrec.studies.comparison import RESAMPLES, Estimate
from tdrec.studies.metric import Metric
from tdrec.studies.row import Row
from tdrec.studies.task import Task

WHAT_THEY_ARE = {
    "bias": "Bias model: the mean plus a damped offset for each of the task's users and items.",
    "popularity": "Popularity: movies by how many users of the training rows saw them.",
    "item_knn": "Item-kNN: movies by how alike their users are to those of the user's latest five.",
    "without_blocks": "Teacher without blocks: the teacher's last norm and scores on its embedded "
    "tokens, as trained, so that it knows the latest movie alone. What the blocks do is the rest.",
    "teacher": "Teacher: the large model, trained on all tasks and not tuned to any of them.",
    "scratch": "Scratch: the small student trained on its task's labels alone.",
    "ld": "LD, label distillation: the student also matches the teacher's predictions.",
    "fd": "FD, feature distillation: encodings of the student's and teacher's states are matched.",
    "fitnet": "FitNet: a projection of the student's hidden state matches the teacher's.",
    "hybrid": "Hybrid: LD and FD together.",
    "td": "TD, talking-model distillation: student and teacher exchange messages for k rounds, "
    "and the student matches what the teacher makes of them.",
    "trusted_ld": "Trusted LD: LD of the teacher's predictions as far as the task's own rows bear "
    "them out, corrected item by item where they do not.",
    "grading": "Grading: the teacher decodes the student's message, interprets and judges it with "
    "its own layers, and the student learns to be judged as the teacher judges the row itself.",
}
"""What each method is."""

READING = (
    '"Better" and "worse" mean that the 95% interval of the difference excludes zero. Otherwise no '
    "difference is shown, which is not to say that there is none; one seed gives no verdict.",
    "Where two methods do not differ, one interval in twenty excludes zero by chance: of many "
    "comparisons some do.",
    "A mean over tasks gives each task the same weight, and is of the seeds that all of them have. "
    "Common tasks are those on which every student has a finite result.",
    "Evaluation rows are used once, after training, and choose nothing.",
)

INTERVALS = {
    "user": "Differences are paired by evaluation user and seed. Their intervals cover both other "
    f"users, who are resampled {RESAMPLES:,} times, and other seeds, whose part takes Student's t.",
    "seed": "Differences are paired by seed: each draws its own training examples and initial "
    "weights, the same for all methods. Their intervals are Student's over the seeds, wide with "
    "few of them; other evaluation examples they do not cover.",
}
"""By a metric's unit what its intervals are over."""


def write_report(
    folder: str | os.PathLike[str],
    rows: Sequence[Row],
    *,
    title: str,
    command: str,
    metric: Metric,
    notes: Sequence[str] = (),
    task: type[Task] = Task,
    planned: int | None = None,
) -> tuple[Path, Path, Path]:
    """Writes `report.html`, `report.md` and `report.csv`.

    All three are made before any is written, and each replaces its old version in one step:
    whatever fails, the old report is still there.

    Args:
        folder: Where to; made if need be.
        rows: Of one study, finished or not.
        title: Of the page.
        command: How to reproduce the rows.
        metric: What they are judged by.
        notes: Further sentences for the head of the page. Default: none.
        task: The kind of task, for what it adds: `parts` to a section, `summary_parts` to all of
            them, and further `means`. Default: nothing.
        planned: How many runs there are to be, of which a warning tells that some are missing.
            Default: those that there are.

    Returns:
        The paths of the three files.

    Raises:
        ValueError: What `make_sections` refuses.
    """
    sections = make_sections(rows, metric, task.means)
    runs = [row for section in sections for row in section.rows]
    folded = len(sections) > 2
    blocks: list[Block] = [
        Text(f"Study {rows[0].study}: {counted(len(runs), 'run')}."),
        Points(notes),
        Part("What was read", [Table((), _data(runs), names=2)]),
        at_a_glance(sections),
    ]
    for section in sections:
        blocks.append(Part(section.title, section_blocks(section, task.parts(section), folded)))
    blocks += task.summary_parts(sections)
    labels = {label.method for section in sections for label in section.labels}
    blocks += [
        Part("What was not shown", [Points(not_shown(sections))]),
        Part("How to reproduce", [Code(command), *_provenance(sections, runs)]),
        Part("Methods", [Points([WHAT_THEY_ARE[x] for x in NAMES if x in labels])]),
        Part("How to read the numbers", [Points([INTERVALS[metric.unit], *READING])]),
    ]
    document = Document(title, blocks, _warnings(runs, planned))
    pages = {
        "report.html": document.to_html(),
        "report.md": document.to_markdown(),
        "report.csv": to_csv(sections),
    }
    html, markdown, table = (replace_file(user_path(folder) / x, text) for x, text in pages.items())
    return html, markdown, table


def to_csv(sections: Sequence[Section]) -> str:
    """One line for each section, place and label: its value, its comparisons and its costs.

    Args:
        sections: Of one report.

    Returns:
        The table. Differences are the metric minus that of the other, improvements percent of it;
        costs are medians; `auto` is "chosen" where validation rows choose the label. What is not
        known is empty.
    """
    lines = [
        _csv_line(section, place, label)
        for section in sections
        for place in section.places
        for label in section.labels
    ]
    chosen = {(s.preset, s.setting, c.task, c.label) for s in sections for c in choices(s)}
    for line in lines:
        line["auto"] = "chosen" * (tuple(list(line.values())[:4]) in chosen)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in x.items()} for x in lines)
    return text.getvalue()


# Parts -------------------------------------------------------------------------------------


def _csv_line(section: Section, place: str, label: Label) -> dict[str, Any]:
    value, name = section.value(place, label.name), section.metric.name
    tasks = section.means.get(place, (place,))
    rows = [row for task in tasks for row in section.rows_of(label.name, task)]
    is_task = bool(rows) and place in section.tasks
    validation = next((x.validation["value"] for x in rows if is_task and x.validation), None)
    line: dict[str, Any] = {
        "preset": section.preset,
        "setting": section.setting,
        "task": place,
        "label": label.name,
        "method": label.method,
        "n_train": rows[0].n_train if is_task else None,
        "n_test": rows[0].n_test if is_task else None,
        "seeds": value and value.runs,
        "diverged": value and value.diverged,
        name: value and value.mean,
        f"{name}_error": value and value.error,
    }
    for kind in OTHERS:
        found = section.versus[kind].get((place, label.name))
        line[kind] = found.other if found else None
        line |= _ends(f"{kind}_difference", found.difference if found else None)
        line |= _ends(f"{kind}_improvement", found.improvement if found else None)
        line[f"{kind}_verdict"] = found.verdict if found else None
    line |= _ends("recovered", section.recovered.get((place, label.name)))
    line["validation"] = validation
    return line | {field: median_cost(rows, field) for field in COSTS}


def _ends(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = astuple(estimate) if estimate else (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else None


def _warnings(rows: Sequence[Row], planned: int | None) -> list[str]:
    """What a reader must know before any number."""
    found = ["Simulated data: these numbers say nothing about real data."]
    found = found if any(row.data.simulated for row in rows) else []
    found += [text for row in rows for text in row.data.warnings]
    sets: dict[str, dict[str, str]] = {}
    for row in rows:
        sets.setdefault(row.place, {})[row.data.sha256] = row.data.name
    for task, names in sets.items():
        if len(names) > 1:
            of = listed(sorted(names.values()))
            found.append(f"The rows of {task} come from different data sets: {of}.")
    if planned and len(rows) < planned:
        found.append(f"Unfinished: {len(rows):,} of {counted(planned, 'run')} are there.")
    return list(dict.fromkeys(found))


def _data(rows: Sequence[Row]) -> list[Sequence[str]]:
    sets = {(row.data.name, row.data.sha256): row.data for row in rows}
    found: list[Sequence[str]] = []
    for data in sets.values():
        found += [
            ("Data", data.name),
            ("SHA-256", data.sha256),
            ("Training / evaluation rows", f"{data.n_train:,} / {data.n_test:,}"),
            *data.facts.items(),
        ]
    return found


def _provenance(sections: Sequence[Section], rows: Sequence[Row]) -> Iterator[Block]:
    """Seeds, versions and commits, and the settings of each label's first run."""
    versions: dict[str, set[str]] = {}
    for row in rows:
        for tool, number in row.versions.items():
            versions.setdefault(tool, set()).add(number)
    facts: dict[str, set[Any]] = {
        "Seeds": {row.seed for row in rows if row.seed is not None},
        **dict(sorted(versions.items())),
        "Commit": {row.git for row in rows if row.git},
    }
    yield Table((), [(name, _joined(found)) for name, found in facts.items()], names=2)
    settings: dict[str, list[str]] = {}
    for section in sections:
        for label in section.labels:
            row = section.rows_of(label.name)[0]
            config = {"arguments": row.arguments, "config": row.config}
            text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
            name = f"{label.name} ({section.title})" if len(sections) > 1 else label.name
            if row.arguments or row.config:
                settings.setdefault(text, []).append(name)
    for text, names in settings.items():
        yield Part(f"Settings of {listed(names)}", [Code(text)], folded=True)


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(map(str, sorted(values))) or DASH
