"""The parts of a section: its claims, and the tables and plots that they are read from."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tdrec.report import plots
from tdrec.report.choices import Choice, choices
from tdrec.report.claims import OTHERS, claims
from tdrec.report.document import Block, Cell, Figures, Part, Points, Table, Text
from tdrec.report.section import Kind, Label, Section
from tdrec.report.words import (
    DASH,
    counted,
    interval,
    number,
    percent,
    quantity,
    ratio,
    share,
    signed,
)
from tdrec.studies.comparison import Comparison, Estimate
from tdrec.studies.row import Row

_COLUMNS = {
    "Parameters": ("params", "", "kMGT"),
    "Multiply-adds": ("multiply_adds", "", "kMGT"),
    "File": ("model_bytes", "B", "kMGT"),
    "Latency": ("latency_ms", "ms", ""),
    "Training": ("train_seconds", "s", ""),
    "Parameters of the method": ("method_params", "", "kMGT"),
    "Multiply-adds of training": ("train_multiply_adds", "", "kMGT"),
}

COSTS = tuple(field for field, _, _ in _COLUMNS.values())
"""Fields of a row that say what its run costs."""

MARKS = {"worse": "▼", "unclear": "≈"}
"""How a table shows a verdict beside a figure; "better" is bold, and one seed has no verdict."""

LEGEND = "Bold: better. ▼ worse. ≈ no difference shown."

Line = list[Cell | str]


def section_blocks(section: Section, extra: Sequence[Part], folded: bool) -> list[Block]:
    """All that is said of a section.

    Args:
        section: Of a report.
        extra: Parts of its kind of task, which follow the comparisons.
        folded: Whether a reader opens the rest first.
    """
    rounds = "Improvement over scratch by rounds of communication; 0: consistency alone."
    said = [
        Cell(main, (" ".join(more),), bold=True, method=label.method)
        for label, (main, *more) in claims(section)
    ]
    return [
        Points(said),
        _values(section),
        _differences(section),
        Part("Rounds of communication", [Figures([(plots.rounds_curve(section), rounds)])]),
        *extra,
        _choices(section),
        Part("Learning curves", [_curves(section)], folded),
        Part("Size and time", _costs(section), folded),
        Part("Tuned values", _tuned(section), folded),
    ]


def at_a_glance(sections: Sequence[Section]) -> Part:
    """Improvements over scratch in the mean, a line for each section; nothing for one section."""
    labels = list(dict.fromkeys(label for section in sections for label in section.distilled))
    lines: list[Line] = [
        [x.title, *(compared_cell(x.overall_versus("scratch", y.name)) for y in labels)]
        for x in (sections if len(sections) > 1 else ())
    ]
    note = f"Improvement over scratch in the mean over tasks, with its 95% interval. {LEGEND}"
    table = Table(["Preset and setting", *heads(labels)], lines)
    return Part("At a glance", [Text(note), table])


def heads(labels: Sequence[Label]) -> list[Cell]:
    """The labels as heads of columns."""
    return [Cell(label.name, method=label.method) for label in labels]


def compared_cell(compared: Comparison | None, digits: int | None = None, *lines: str) -> Cell:
    """A comparison with its interval and verdict.

    Args:
        compared: None for a dash.
        digits: Of the difference. Default None: the improvement is shown.
        lines: Further lines of the cell.
    """
    if compared is None:
        return Cell(DASH)
    shown: Estimate = compared.improvement
    text: Callable[[float], str] = percent
    if digits is not None:
        shown, text = compared.difference, partial(signed, digits=digits)
    mark, is_better = MARKS.get(compared.verdict, ""), compared.verdict == "better"
    return Cell(text(shown.value), (interval(shown, text), *lines), mark, bold=is_better)


def median_cost(rows: Sequence[Row], field: str) -> float | None:
    """The median of one of `COSTS`; None where no row says it."""
    known = [value for row in rows if (value := getattr(row, field)) is not None]
    return float(np.median(known)) if known else None


# Parts -------------------------------------------------------------------------------------


def _values(section: Section) -> Part:
    metric, rows = section.metric, {row.place: row for row in section.rows}
    values = [section.value(t, x.name) for t in section.tasks for x in section.students]
    most = max((value.runs for value in values if value), default=0)
    lines = []
    for place in section.places:
        best = section.best(place, section.students) if len(section.students) > 1 else None
        row = rows.get(place)
        examples = f"{row.n_train:,} / {row.n_test:,}" if row else ""
        cells = [_value(section, place, x, most, x == best) for x in section.labels]
        lines.append([Cell(place, (examples,)), *cells])
    gap = " and, in a mean, the share of the gap to the teacher recovered" * bool(section.recovered)
    note = (
        f"Mean and standard error (±) over seeds; below them the improvement over scratch{gap}. "
        f"{metric.better.capitalize()} {metric.title} is better. Under each task: its training / "
        "evaluation examples. Bold: best student of the line. ▼ worse than scratch: negative "
        "transfer. ≈ no difference from scratch shown. – no result."
    )
    table = Table(["Task", *heads(section.labels)], lines, rules={len(section.tasks)})
    return Part(f"{metric.title[0].upper()}{metric.title[1:]} by task", [table, Text(note)])


def _value(section: Section, place: str, label: Label, most: int, is_best: bool) -> Cell:
    value = section.value(place, label.name)
    if value is None:
        return Cell(DASH)
    if value.mean is None:
        return Cell(f"{value.diverged} of {value.runs} diverged")
    digits = section.metric.digits
    compared = section.versus["scratch"].get((place, label.name))
    gap = section.recovered.get((place, label.name)) if place in section.overall else None
    lines = (
        f"± {number(value.error, digits)}" if value.error is not None else "",
        percent(compared.improvement.value) if compared else "",
        f"{share(gap.value)} of the gap" if gap else "",
        f"n={value.runs}" if label.is_student and value.runs < most else "",
    )
    mark = MARKS.get(compared.verdict, "") if compared else ""
    return Cell(number(value.mean, digits), lines, mark, bold=is_best)


def _differences(section: Section) -> Part:
    kinds, name = [kind for kind in OTHERS if section.versus[kind]], section.metric.title
    # a student's distance to the bias model is no effect of distillation: in numbers alone
    drawn = [
        (plots.differences(section, kind), f"Difference of {name} from {OTHERS[kind]}.")
        for kind in kinds
        if kind != "bias"
    ]
    note = (
        f"Differences of {name}, paired by seed and, where there are users, by user, with 95% "
        "intervals; one that crosses zero shows no difference. The best other method is that of "
        "the line, chosen on the rows that it is compared on, which favours it a little."
    )
    tables = [_difference_table(section, kind) for kind in kinds]
    return Part("Differences", [Text(note), Figures(drawn), *tables])


def _difference_table(section: Section, kind: Kind) -> Part:
    compared, digits = section.versus[kind], section.metric.digits
    labels = [x for x in section.students if any(name == x.name for _, name in compared)]
    most = max(found.seeds for found in compared.values())
    lines: list[Line] = []
    for place in section.places:
        line: Line = [place]
        for label in labels:
            found = compared.get((place, label.name))
            to = f"to {found.other}" if found and kind in ("best", "default") else ""
            seeds = f"n={found.seeds}" if found and found.seeds < most else ""
            line.append(compared_cell(found, digits, to, seeds))
        lines.append(line)
    table = Table(["Task", *heads(labels)], lines, rules={len(section.tasks)})
    title = f"Differences from {OTHERS[kind]} in numbers"
    return Part(title, [Text(LEGEND), table], folded=True)


def _choices(section: Section) -> Part:
    found, metric = choices(section), section.metric
    if not found:
        return Part("", [])
    value, change = partial(number, digits=metric.digits), partial(signed, digits=metric.digits)
    worst = min(found, key=lambda choice: metric.sign * choice.difference)
    regretted = max(found, key=lambda choice: choice.regret)
    figures = [(choice.value, choice.difference, choice.regret) for choice in found]
    mean = Choice("Mean", DASH, DASH, *np.mean(figures, axis=0).tolist())
    text = (
        f"Chosen by validation, the {metric.title} is {change(mean.difference)} from scratch in "
        f"the mean of {counted(len(found), 'task')}, at worst {change(worst.difference)} "
        f"({worst.task}). Its regret, by how much the best student of a task is better, is "
        f"{value(mean.regret)} in the mean and {value(regretted.regret)} at most "
        f"({regretted.task}); the best student is known on the evaluation rows alone, so that "
        "chance adds to it."
    )
    note = (
        "On each task the student with the best validation figure is taken if it is better than "
        "scratch by an interval wide enough for the number of students (Bonferroni), else scratch."
    )
    head = ["Task", "Chosen", "Best student", metric.title, "Against scratch", "Regret"]
    lines = [
        [x.task, x.label, x.best, value(x.value), change(x.difference), value(x.regret)]
        for x in (*found, mean)
    ]
    table = Table(head, lines, names=3, rules={len(found)})
    return Part("The method chosen by validation", [Text(text, note=False), Text(note), table])


def _curves(section: Section) -> Figures:
    caption = (
        f"{section.metric.title} on training rows, mean over seeds, as far as all of them ran; of "
        f"{plots.PANELS} tasks at most. The first tenth of the steps may lie outside the frame. "
        "These curves say how training went, not how well a model predicts."
    )
    return Figures([(plots.learning_curves(section), caption)])


def _costs(section: Section) -> list[Block]:
    rows = [section.rows_of(label.name) for label in section.labels]
    known = {field: [median_cost(of, field) for of in rows] for field in COSTS}
    teacher = next((i for i, x in enumerate(section.labels) if x.method == "teacher"), None)
    columns = {
        title: [quantity(value, unit, prefixes) for value in known[field]]
        for title, (field, unit, prefixes) in _COLUMNS.items()
    }
    for title, field in (("Parameters", "params"), ("Latency", "latency_ms")):
        if teacher is not None:
            ratios = [ratio(known[field][teacher], value) for value in known[field]]
            columns[f"{title}: teacher ÷ this"] = ratios
    columns = {title: texts for title, texts in columns.items() if set(texts) != {DASH}}
    lines = [list(line) for line in zip(heads(section.labels), *columns.values(), strict=True)]
    note = (
        "Medians over runs. Multiply-adds are of one example; those of training are of one step, "
        "forward and backward. Latency is that of one batch. Parameters of the method are needed "
        "in training alone."
    )
    bars = {
        f"{title.lower()}, {unit}".rstrip(", "): known[field]
        for title, (field, unit, _) in _COLUMNS.items()
        if field in ("params", "latency_ms", "train_seconds")
    }
    figures = Figures([(plots.costs(section, bars), "Parameters, latency and training time.")])
    return [Text(note), Table(["Model", *columns], lines if columns else []), figures]


def _tuned(section: Section) -> list[Block]:
    """What was chosen for each label that was tuned, tasks with the same values together."""
    found: list[tuple[Label, str, Mapping[str, Any]]] = []
    for label in section.labels:
        groups: dict[str, tuple[list[str], Mapping[str, Any]]] = {}
        tasks = [task for task in section.tasks if section.rows_of(label.name, task)]
        for task in tasks:
            tuned = next((r.tuned for r in section.rows_of(label.name, task) if r.tuned), {})
            groups.setdefault(repr(sorted(tuned.items())), ([], tuned))[0].append(task)
        for names, values in groups.values():
            if values:
                found.append((label, "all" if names == tasks else ", ".join(names), values))
    columns = sorted({name for *_, values in found for name in values})
    lines: list[Line] = [
        [*heads([label]), names, *(_plain(values.get(name, DASH)) for name in columns)]
        for label, names, values in found
    ]
    note = "Chosen on validation rows that were carved from the training rows."
    return [Text(note), Table(["Method", "Tasks", *columns], lines, names=2)]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
