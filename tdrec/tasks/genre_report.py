"""What a report of genres says beside that of any segment: density, and the paper's tables.

The functions are `parts`, `summary_parts` and `means` of the kind of task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tdrec.report.document import Block, Cell, Part, Table, Text
from tdrec.report.evidence import LEGEND, Line, compared_cell, heads
from tdrec.report.section import Section
from tdrec.report.words import DASH, number, percent
from tdrec.studies.row import Row
from tdrec.tasks import segment_report
from tdrec.tasks.paper_tables import CAVEAT, TABLE_1, TABLE_2, TABLE_3, TABLES, improvement

SPARSE = "Mean of the four sparsest genres"


def means(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The mean of the genres of ranks 5 to 8 by density, as in the paper, if all are there.

    Args:
        rows: Of a section.
    """
    ranks = _ranks(rows)
    return {SPARSE: [ranks[i] for i in range(5, 9)]} if {5, 6, 7, 8} <= set(ranks) else {}


def parts(section: Section) -> list[Part]:
    """What is said of one preset and setting.

    Args:
        section: Of genres.
    """
    ranks, study = _ranks(section.rows), section.rows[0].study
    return [
        Part("Densest genre and four sparsest", _dense_and_sparse(section, study, ranks.get(1))),
        Part("Beside the paper's Table 3", _table_3(section, ranks) if study == "table3" else []),
        *segment_report.parts(section),
    ]


def summary_parts(sections: Sequence[Section]) -> list[Part]:
    """What is said of all of them: students by their share of the rows, and the paper's table.

    Args:
        sections: Of genres.
    """
    study, ranks = sections[0].rows[0].study, _ranks(sections[0].rows)
    table = TABLES.get(study) if ranks else None
    found = segment_report.summary_parts(sections)
    if table:
        lines: list[Line] = [
            [name, *(_paper_cell(figure, i) for i, figure in enumerate(figures, start=1))]
            for name, figures in table.rows.items()
        ]
        note = f"RMSE as printed; below it the improvement over the paper's scratch. {CAVEAT}"
        head = ["Paper", *(f"Genre {i}" for i in range(1, 9))]
        title = f"The paper's Table {table.number}: {table.title}"
        found.append(Part(title, [Text(note), Table(head, lines)]))
    return found


# Parts -------------------------------------------------------------------------------------


def _ranks(rows: Sequence[Row]) -> dict[int, str]:
    """Genres by rank of density, of the data whose genres the paper ranks."""
    known = [row for row in rows if not row.data.simulated]
    return {rank: row.task for row in known if (rank := row.details.get("density_rank"))}


def _paper_cell(figure: tuple[float, float], genre: int) -> Cell:
    rmse, error = figure
    lines = (f"± {number(error, 4)}", percent(improvement(figure, genre)))
    return Cell(number(rmse, 4), lines, italic=True)


def _dense_and_sparse(section: Section, study: str, densest: str | None) -> list[Block]:
    compared = section.versus["scratch"]
    lines: list[Line] = []
    for label in section.distilled:
        found = [compared.get((place or "", label.name)) for place in (densest, SPARSE)]
        paper = None
        if study in ("table1", "table3"):
            paper = TABLE_1.get(label.method)
        elif study in ("table2", "table5") and label.name in section.rounds:
            paper = TABLE_2.get(section.rounds[label.name])
        line: Line = [*heads([label])]
        for i, each in enumerate(found):
            quoted = percent(paper[i]) if paper else DASH
            line += [compared_cell(each), Cell(quoted, italic=True)]
        lines += [line] * all(found)
    note = f"Improvement over scratch, and in italics that of the paper's Table 1 or 2. {LEGEND}"
    head = ["Method", "Densest", "Paper", "Four sparsest", "Paper"]
    return [Text(note), Table(head, lines)]


def _table_3(section: Section, ranks: Mapping[int, str]) -> list[Block]:
    labels, lines = section.distilled, list[Line]()
    for rank, genre in sorted(ranks.items()):
        if rank <= len(TABLE_3["td"]):
            ours = [section.versus["scratch"].get((genre, label.name)) for label in labels]
            lines.append([genre, *(replace(compared_cell(each), lines=()) for each in ours)])
            figures = [TABLE_3.get(label.method) for label in labels]
            paper = [_paper_cell(x[rank - 1], rank) if x else DASH for x in figures]
            lines.append([Cell(f"Paper's Genre {rank}", italic=True), *paper])
    note = (
        "Improvement over scratch of ours, and in italics the paper's RMSE, its standard error and "
        "its improvement for its genre of the same rank by density. In the paper, TD is ahead of "
        f"the other distilled students in 7 of 8 genres and ahead of scratch in 5. {CAVEAT}"
    )
    table = Table(["Genre", *heads(labels)], lines, rules=set(range(0, len(lines), 2)))
    return [Text(note), table]
