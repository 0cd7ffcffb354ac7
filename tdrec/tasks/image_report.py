"""What a report of images says beside that of any task: CKA of states, and the paper's tables.

The idea of the maps is Figure 3 of "Talking Models", arXiv 2310.03188: how alike each state of the
student is to each of the teacher's, by class. Rows have them as details: `cka`, by class, state of
the student and state of the teacher; and `classes`, the classes' names.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tdrec.report import drawing
from tdrec.report.document import Block, Cell, Figures, Part, Table, Text
from tdrec.report.evidence import MARKS, Line, heads
from tdrec.report.section import Section
from tdrec.report.words import DASH, number, signed
from tdrec.tasks.paper_tables import (
    IMAGE_CAVEAT,
    IMAGE_DATA,
    IMAGE_SCRATCH,
    IMAGE_TABLES,
    PaperTable,
)

Maps = Mapping[str, NDArray[np.float64]]
"""CKA by title; shape `(states of the student, states of the teacher)`, NaN where not measured."""

COLUMNS = 3
"""Of maps beside each other."""


def parts(section: Section) -> list[Part]:
    """What is said of one preset and setting.

    Args:
        section: Of image tasks.
    """
    alike = [Part(task, _alignment(section, task, i)) for i, task in enumerate(section.tasks)]
    note = (
        "As Figure 3 of the paper: CKA of the student's states with the teacher's, from 0, "
        "unrelated, to 1, the same but for turning and scaling; means over seeds. The table "
        "compares each state with its own counterpart, in the mean over classes. High alignment "
        "is no accuracy: this explains, it does not rank."
    )
    tables = [_paper_table(section, table) for table in IMAGE_TABLES]
    beside = (
        "Accuracy; below it the difference from the student without distillation, the paper's in "
        f"italics and ours, each from its own. {IMAGE_CAVEAT}"
    )
    return [
        Part("How alike student and teacher are", [Text(note), *alike]),
        Part("Beside the paper", [Text(beside), *tables]),
        Part("Classes", _classes(section)),
    ]


def alignment_maps(
    maps: Maps, student: Sequence[str], teacher: Sequence[str], name: str, title: str
) -> str:
    """Heat maps of one scale from 0 to 1 with one colour bar, the values written in their cells.

    The colour is one of the page's, laid on the more opaquely the higher the value, so that the
    scale begins at the page's own colour, light or dark.

    Args:
        maps: By title.
        student, teacher: Names of the rows and of the columns.
        name: What the ids of the SVG begin with.
        title: What is shown, for those who do not see it.

    Returns:
        The `<svg>` element.
    """
    from matplotlib.colors import ListedColormap, to_rgba

    opacities = np.linspace(0, 1, 21)
    colours = ListedColormap([to_rgba(drawing.INK["heat"], x) for x in opacities])
    lines = math.ceil(len(maps) / COLUMNS)
    with drawing.canvas(lines * (0.3 * len(student) + 0.75) + 0.5) as figure:
        grid = figure.subplots(lines, COLUMNS, squeeze=False, sharex=True, sharey=True)
        for i, axes in enumerate(grid.flat):
            axes.set_visible(i < len(maps))
        for axes, (heading, values) in zip(grid.flat, maps.items(), strict=False):
            drawn = axes.pcolormesh(
                np.ma.masked_invalid(values),
                cmap=colours,
                vmin=0,
                vmax=1,
                edgecolors=drawing.INK["rule"],
                linewidth=0.7,
            )
            for (i, j), value in np.ndenumerate(values):
                text = number(value, 2)
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=9)
            axes.set_title(drawing.shorten(heading))
            axes.set_xticks(np.arange(len(teacher)) + 0.5, [drawing.shorten(x) for x in teacher])
            axes.set_yticks(np.arange(len(student)) + 0.5, [drawing.shorten(x) for x in student])
            axes.tick_params(length=0)
        grid[0, 0].invert_yaxis()
        figure.supxlabel("teacher", fontsize=10, color=drawing.INK["muted"])
        figure.supylabel("student", fontsize=10, color=drawing.INK["muted"])
        bar = figure.colorbar(drawn, ax=grid, location="top", shrink=0.4, aspect=16, label="CKA")
        bar.set_ticks([0, 0.5, 1])
        bar.outline.set_edgecolor(drawing.INK["rule"])
        return drawing.to_svg(figure, name, title)


# Parts -------------------------------------------------------------------------------------


def _alignment(section: Section, task: str, number_of_task: int) -> list[Block]:
    """Of a task: CKA of each state with its own counterpart, and the maps."""
    known: dict[tuple[str, str, str, str], list[float]] = {}
    for label in section.students:
        for row in section.rows_of(label.name, task):
            for name, states in (row.details.get("cka") or {}).items():
                for student, others in states.items():
                    for teacher, value in others.items():
                        if value is not None:
                            key = (label.name, name, student, teacher)
                            known.setdefault(key, []).append(value)
    if not known:
        return []
    axes = [list(dict.fromkeys(key[i] for key in known)) for i in range(4)]
    cka = np.full([len(axis) for axis in axes], np.nan)
    for key, values in known.items():
        cka[tuple(axis.index(x) for axis, x in zip(axes, key, strict=True))] = np.mean(values)
    labels, classes, students, teachers = axes
    means = np.ma.masked_invalid(cka).mean(1).filled(np.nan)
    shared = [(students.index(x), teachers.index(x)) for x in students if x in teachers]
    columns = heads([label for label in section.students if label.name in labels])
    lines: list[Line] = [
        [head, *(number(means[i][place], 2) for place in shared)] for i, head in enumerate(columns)
    ]
    table = Table(["Mean over classes", *(students[i] for i, _ in shared)], lines)
    name = f"cka-{number_of_task}"
    of_means = dict(zip(labels, means, strict=True))
    title = "CKA of student and teacher, mean over the classes"
    figures = [(alignment_maps(of_means, students, teachers, name, title), f"{title}.")]
    for i in reversed(range(len(labels))):  # the last is TD, if any is
        title = f"CKA of {labels[i]} and teacher by class"
        maps = {x: m for x, m in zip(classes, cka[i], strict=True) if np.isfinite(m).any()}
        svg = alignment_maps(maps, students, teachers, f"{name}-{i + 1}", title)
        figures.append((svg, f"{title}."))
    rest = Part("Each class, of the other students", [Figures(figures[2:])], folded=True)
    return [table, Figures(figures[:2]), rest]


def _paper_table(section: Section, table: PaperTable[float]) -> Part:
    """One of the paper's tables; nothing unless two of its rows are repeated here: it compares."""
    tasks = [task for task in section.tasks if task in IMAGE_DATA]
    lines: list[Line] = []
    repeated = 0
    for name, figures in table.rows.items():
        wanted = table.ours.get(name, "")
        own = next((x for x in section.students if x.name == wanted), section.by_method(wanted))
        line: Line = [name]
        for task in tasks:
            i = IMAGE_DATA.index(task)
            gain = signed(figures[i] - IMAGE_SCRATCH[i], 5)
            ours = _ours(section, task, own.name) if own else Cell(DASH)
            line += [Cell(number(figures[i], 5), (gain,), italic=True), ours]
        repeated += any(cell not in (Cell(DASH),) for cell in line[2::2])
        lines.append(line)
    head = [f"{task}: {whose}" for task in tasks for whose in ("paper", "ours")]
    found = Table(["Row of the paper", *head], lines)
    return Part(f"Table {table.number}: {table.title}", [found] if repeated > 1 else [])


def _ours(section: Section, task: str, label: str) -> Cell:
    value, compared = section.value(task, label), section.versus["scratch"].get((task, label))
    if value is None or value.mean is None:
        return Cell(DASH)
    gain = (signed(compared.difference.value, 4),) if compared else ()
    mark = MARKS.get(compared.verdict, "") if compared else ""
    return Cell(number(value.mean, 4), gain, mark)


def _classes(section: Section) -> list[Block]:
    found = {row.task: row.details.get("classes") or () for row in section.rows}
    lines = [
        [task, f"{len(names)}: {', '.join(names[:20])}{', …' * (len(names) > 20)}"]
        for task, names in found.items()
        if names
    ]
    return [Table((), lines, names=2)]
