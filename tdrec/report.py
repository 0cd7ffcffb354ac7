"""From result rows to a report that a reader can check: Markdown and one HTML file.

The idea: `summarise` turns the rows of a study into numbers, and the templates beside this module
only lay those numbers out. Every claim of the report is counted from the numbers in its tables, the
unfavourable ones included: where distillation hurt, where a bias model is better, and where no
difference was shown.

Example:

    write_report(read_rows("runs/results.jsonl"), "runs", command="python -m tdrec.run --genre=War")
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tdrec.page import (
    GAP,
    count_genres,
    data_warnings,
    percent,
    provenance,
    render,
    settings,
    unfinished,
    write_pages,
)
from tdrec.paper_tables import CAVEAT, GENRE_5_CAVEAT
from tdrec.results import Row
from tdrec.summary import Cell, Label, Summary, summarise

TITLE = "Students by genre: what distillation gave"

PAPER_NOTE = (
    "The lines in italics quote Table 3 of the paper (arXiv 2310.03188) for its genre of the same "
    f"rank by density. {CAVEAT} In the paper, TD is ahead of the other distilled students in 7 of "
    f"8 genres and ahead of scratch in 5. {GENRE_5_CAVEAT}"
)

BAR = (
    '"Better" and "worse" mean: the mean difference from scratch, paired by seed, is larger than '
    "twice its standard error."
)

LEGEND = (
    "▼ negative transfer: distillation hurt, by more than one standard error of the paired "
    "differences (with one seed: by any amount). ≈ no difference shown: not more than twice that "
    "error, or one seed only. – no result."
)

READING = (
    "Standard errors are over seeds: how far a run depends on chance in training. They say nothing "
    "about other evaluation users.",
    "Three to five seeds are few: a method that is no different from scratch passes the bar of "
    "twice the standard error by chance in about 12 to 18 % of genres.",
    "Evaluation rows are used once, after training, and choose nothing.",
    "Learning curves are on training rows.",
    "Means over genres give each genre the same weight, and cover only genres on which every "
    "method has a result.",
)


def verdicts(summary: Summary) -> list[tuple[Label, str]]:
    """One plain sentence for every student, counted from the summary and from nothing else."""
    sentences = []
    for label in summary.labels:
        if not label.is_student:
            continue
        total, parts = summary.totals[label.name], []
        if label.is_distilled:
            claims = [
                (total.better, "better than scratch in"),
                (total.worse, "worse than scratch in"),
                (total.unclear, "no difference from scratch shown in"),
                (total.one_seed, "one seed only, so no difference can be shown, in"),
                (total.diverged, "diverged in"),
            ]
            counts = [f"{words} {count}" for count, words in claims if count]
            counts = counts or ["not yet compared with scratch in any"]
            parts.append(", ".join([f"{counts[0]} of {count_genres(total.genres)}", *counts[1:]]))
            if total.improvement is not None:
                mean = percent(total.improvement, total.improvement_se)
                parts[-1] += f" (mean improvement {mean})"
            if total.hurt:
                parts.append(f"negative transfer in {', '.join(total.hurt)}")
        else:
            parts.append(f"the student without distillation, in {count_genres(total.genres)}")
        compared = total.beats_bias + total.loses_to_bias
        if compared and not total.loses_to_bias:
            parts.append(f"better than the bias model in all {count_genres(compared)} compared")
        elif compared:
            parts.append(
                f"loses to the bias model in {total.loses_to_bias} of {count_genres(compared)}"
            )
        parts.append(f"best student in{GAP}{total.best}")
        sentences.append((label, "; ".join(parts) + "."))
    return sentences


def _mark(cell: Cell) -> str:
    if cell.hurt:
        return "▼"
    return "≈" if cell.verdict in ("unclear", "one seed") else ""


# Pages -------------------------------------------------------------------------------------


def to_markdown(
    summary: Summary, rows: Sequence[Row], command: str, notes: Sequence[str] = ()
) -> str:
    """The report as Markdown, without plots.

    Args:
        summary: `summarise(rows)`.
        rows: the rows, for what no summary keeps: data, settings, versions.
        command: how to reproduce the rows.
        notes: further sentences of the caller's.
    """
    return render("report.md", _context(summary, rows, command, notes))


def to_html(summary: Summary, rows: Sequence[Row], command: str, notes: Sequence[str] = ()) -> str:
    """The report as one HTML file that needs nothing else; arguments as for `to_markdown`."""
    from tdrec import drawing, plots

    context = _context(summary, rows, command, notes)
    figures = {
        "rmse": plots.rmse_by_genre(summary),
        "improvement": plots.improvement_by_genre(summary),
        "curves": plots.learning_curves(summary, rows),
        "cost": plots.student_against_teacher(summary),
    }
    context |= {"figures": figures, "palette": drawing.PALETTE}
    return render("report.html", context)


def write_report(
    rows: Sequence[Row],
    out_dir: str | os.PathLike[str],
    command: str,
    notes: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Writes `report.md` and `report.html` into `out_dir`, which is made if need be.

    Both pages are rendered before either is written, and each replaces its old version in one step:
    whatever fails, the old report is still there.

    Returns:
        The paths of the Markdown and of the HTML file.
    """
    summary = summarise(rows)
    pages = {
        "report.md": to_markdown(summary, rows, command, notes),
        "report.html": to_html(summary, rows, command, notes),
    }
    markdown, html = write_pages(out_dir, pages)
    return markdown, html


def _context(
    summary: Summary, rows: Sequence[Row], command: str, notes: Sequence[str]
) -> dict[str, Any]:
    labels = summary.labels
    marks = {
        (genre.name, x): _mark(genre.cells[x]) for genre in summary.genres for x in genre.cells
    }
    return provenance(rows, labels, command) | {
        "title": TITLE,
        "summary": summary,
        "verdicts": verdicts(summary),
        "warnings": [*data_warnings(rows), *unfinished(summary)],
        "notes": notes,
        "bar": BAR,
        "legend": LEGEND,
        "reading": READING,
        "paper_note": PAPER_NOTE if any(genre.paper for genre in summary.genres) else "",
        "mark": lambda genre, label: marks[genre, label],
        "configs": settings({x.name: [r for r in rows if r["label"] == x.name] for x in labels}),
    }
