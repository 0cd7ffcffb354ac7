"""The report of a study: one HTML page, and the same in Markdown and CSV.

The idea: `summarise_study` has the numbers, `study_claims` the sentences; here they are laid out,
for each regime and setting the claims first, then the evidence. The paper's figures stand beside
ours where the paper has any.

Example:

    write_study_report(
        "results/table3",
        read_rows("results/table3/results.jsonl"),
        command="python -m tdrec.study table3",
        title="Table 3: all genres, all methods",
    )
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tdrec.page import (
    csv_text,
    data_warnings,
    provenance,
    render,
    settings,
    unfinished,
    write_pages,
)
from tdrec.paper_tables import (
    CAVEAT,
    GENRE_5_CAVEAT,
    PAPER_TABLE_1,
    PAPER_TABLE_2,
    PAPER_TABLES,
    improvement,
)
from tdrec.results import Row
from tdrec.statistics import RESAMPLES, Interval
from tdrec.study_auto import autos, choices, sentence, validation_rmse
from tdrec.study_claims import claims, claims_by_genre, not_shown
from tdrec.study_summary import (
    MEAN,
    SPARSE,
    Section,
    Study,
    summarise_study,
    tuned_values,
)
from tdrec.summary import Label, median_cost

BAR = (
    '"Better" and "worse" mean: the 95% interval of the difference of RMSE, paired by evaluation '
    "user and seed, excludes zero. Otherwise no difference is shown, which is not to say that "
    "there is none."
)

LEGEND = (
    "▼ negative transfer: worse than scratch, by an interval that excludes zero. ≈ no difference "
    "from scratch shown. – no result."
)

READING = (
    f"Intervals are from {RESAMPLES:,} resamples of the evaluation users, the same for both sides "
    "and for all genres; within a resample, RMSEs are averaged over the seeds. They say how far a "
    "difference depends on which users were evaluated, and nothing about other seeds.",
    "Standard errors (±) are over seeds: how far a run depends on chance in training.",
    "Where two methods do not differ, one interval in twenty excludes zero by chance: of many "
    "comparisons some do.",
    "The best other method is chosen on the evaluation rows that it is then compared on, which "
    "favours it a little.",
    "Evaluation rows are used once, after training, and choose nothing.",
    "Means over genres give each genre the same weight, and cover only genres on which every "
    "method has a result.",
    "Learning curves are on training rows.",
)

AUTO = (
    "Auto takes, for each genre, the student with the lowest RMSE on the validation rows that "
    "tuning used, if it is better than scratch by an interval that excludes zero and is wide "
    "enough for the number of methods (Bonferroni), and else scratch. Regret: its RMSE minus that "
    "of the genre's best student, which is known only on the evaluation rows, so that chance adds "
    "to it."
)

COSTS = ("params", "multiply_adds", "method_params", "train_multiply_adds", "train_seconds")

CSV_FIELDS = (
    *("regime", "setting", "genre", "label", "method", "seeds", "rmse", "rmse_se"),
    *("rmse_cold", "rmse_warm"),
    *("scratch_difference", "scratch_low", "scratch_high", "scratch_verdict"),
    *("improvement_percent", "improvement_low", "improvement_high"),
    *("best_other", "best_other_difference", "best_other_low", "best_other_high"),
    *("best_other_verdict", "bias_difference", "bias_low", "bias_high", "bias_verdict"),
    *("default", "default_difference", "default_low", "default_high", "default_verdict"),
    *("validation_rmse", "auto"),
    *COSTS,
)
"""Columns of `report.csv`. Differences are RMSE minus that of the other; costs are medians; `auto`
is "chosen" where validation rows would have chosen the label for the genre."""


def write_study_report(
    folder: str | os.PathLike[str],
    rows: Sequence[Row],
    *,
    command: str,
    title: str,
    notes: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Writes `report.html`, `report.md` and `report.csv`.

    All three are made before any is written, and each replaces its old version in one step.

    Args:
        folder: where to; made if need be.
        rows: of one study, finished or not; `tdrec.study_summary` has their fields.
        command: how to reproduce them.
        title: of the page.
        notes: further sentences for its head.

    Returns:
        The paths of the three files.

    Raises:
        ValueError: what `summarise_study` refuses.
    """
    study = summarise_study(rows)
    return write_pages(
        folder,
        {
            "report.html": to_html(study, command=command, title=title, notes=notes),
            "report.md": to_markdown(study, command=command, title=title, notes=notes),
            "report.csv": to_csv(study),
        },
    )


def to_html(study: Study, *, command: str, title: str, notes: Sequence[str] = ()) -> str:
    """The report as one HTML file that needs nothing else; arguments as of `write_study_report`."""
    from tdrec import drawing, plots, study_plots

    context = _context(study, command, title, notes)
    for view in context["views"]:
        section = view["section"]
        view["figures"] = {
            "scratch": study_plots.differences(section, section.scratch, "scratch"),
            "best": study_plots.differences(section, section.best, "best"),
            "default": study_plots.differences(section, section.default, "default"),
            "rounds": study_plots.rounds_curve(section),
            "curves": plots.learning_curves(section.summary, section.rows),
            "cost": plots.student_against_teacher(section.summary),
        }
    regimes = dict.fromkeys(section.regime for section in study.sections)
    curves = {
        regime: study_plots.share_curves([x for x in study.sections if x.regime == regime])
        for regime in regimes
    }
    shares = {regime: figures for regime, figures in curves.items() if figures}
    context |= {"palette": drawing.PALETTE, "shares": shares}
    return render("study.html", context)


def to_markdown(study: Study, *, command: str, title: str, notes: Sequence[str] = ()) -> str:
    """The report as Markdown, without plots; arguments as of `write_study_report`."""
    return render("study.md", _context(study, command, title, notes))


def to_csv(study: Study) -> str:
    """One line for each regime, setting, genre and label, the mean over genres last.

    Returns:
        What `csv_text` gives, with `CSV_FIELDS` as its first line.
    """
    return csv_text(
        CSV_FIELDS,
        (
            _csv_line(section, place, label)
            for section in study.sections
            for place in section.places
            if place != SPARSE
            for label in section.summary.labels
        ),
    )


def _csv_line(section: Section, place: str, label: Label) -> dict[str, Any]:
    rows = [row for row in section.rows if row["label"] == label.name]
    genres = {genre.name: genre for genre in section.summary.genres}
    figures = section.summary.totals[label.name] if place == MEAN else None
    line: dict[str, Any] = {
        "regime": section.regime,
        "setting": section.setting,
        "genre": place,
        "label": label.name,
        "method": label.method,
    }
    if figures:
        line |= {"rmse": figures.rmse, "rmse_se": figures.se}
    elif label.name in genres[place].cells:
        cell = genres[place].cells[label.name]
        rows = [row for row in rows if row["genre"] == place]
        line |= {"seeds": cell.n, "rmse": cell.rmse, "rmse_se": cell.se}
        line |= {"rmse_cold": cell.rmse_cold, "rmse_warm": cell.rmse_warm}
    else:
        return line
    for name, duels in (
        ("scratch", section.scratch),
        ("best_other", section.best),
        ("bias", section.bias),
        ("default", section.default),
    ):
        if duel := duels.get(label.name, {}).get(place):
            found = duel.comparison
            line |= {
                f"{name}_difference": found.difference.value,
                f"{name}_low": found.difference.low,
                f"{name}_high": found.difference.high,
                f"{name}_verdict": found.verdict,
            }
            if name in ("best_other", "default"):
                line[name] = duel.other
            if name == "scratch":
                line |= {
                    "improvement_percent": found.improvement.value,
                    "improvement_low": found.improvement.low,
                    "improvement_high": found.improvement.high,
                }
    if not figures:
        line["validation_rmse"] = validation_rmse(section, place, label.name)
        if (place, label.name) in [(choice.genre, choice.label) for choice in choices(section)]:
            line["auto"] = "chosen"
    cost = median_cost(rows)
    line |= {field: getattr(cost, field) for field in COSTS}
    return line


def _context(study: Study, command: str, title: str, notes: Sequence[str]) -> dict[str, Any]:
    rows = [row for section in study.sections for row in section.rows]
    labels = list(dict.fromkeys(x for section in study.sections for x in section.summary.labels))
    distilled = [label for label in labels if label.is_distilled]
    is_real = any(genre.paper for x in study.sections for genre in x.summary.genres)
    table = PAPER_TABLES.get(study.name) if is_real else None
    views = [_view(study, section, i) for i, section in enumerate(study.sections, start=1)]
    missing = [
        f"{section.title}: {text}"
        for section in study.sections
        for text in unfinished(section.summary)
    ]
    quoted = table or any(view["paper_line"] or view["dense"] for view in views)
    return provenance(rows, labels, command) | {
        "title": title,
        "study": study,
        "runs": len(rows),
        "resamples": RESAMPLES,
        "notes": notes,
        "warnings": [*data_warnings(rows), *missing],
        "views": views,
        "distilled": distilled,
        "MEAN": MEAN,
        "autos": [(auto, sentence(auto)) for auto in autos(study.sections)],
        "auto_note": AUTO,
        "not_shown": not_shown(study),
        "bar": BAR,
        "legend": LEGEND,
        "reading": READING,
        "paper_table": table and _paper_lines(table.rows),
        "paper_title": table and f"The paper's Table {table.number}: {table.title}",
        "paper_note": f"{CAVEAT} {GENRE_5_CAVEAT}" if is_real and quoted else "",
        "configs": settings({section.title: section.rows for section in study.sections}),
    }


def _view(study: Study, section: Section, number: int) -> dict[str, Any]:
    def mark(genre: str, label: str) -> str:
        duel = section.scratch.get(label, {}).get(genre)
        return {"worse": "▼", "unclear": "≈"}.get(duel.comparison.verdict, "") if duel else ""

    tuned = tuned_values(section)
    return {
        "id": f"section-{number}",
        "section": section,
        "summary": section.summary,
        "claims": claims(section),
        "variants": [x for x in section.distilled if section.default.get(x.name)],
        "by_genre": [(label, claims_by_genre(section, label)) for label in section.distilled],
        "mark": mark,
        "paper_line": study.name == "table3" and any(g.paper for g in section.summary.genres),
        "dense": _dense_and_sparse(study, section),
        "tuned": tuned,
        "tuned_names": sorted(
            {name for _, lines in tuned for _, values in lines for name in values}
        ),
    }


Line = tuple[Label, Interval, Interval, tuple[float, float] | None]


def _dense_and_sparse(study: Study, section: Section) -> list[Line]:
    """(label, improvement on the densest genre, on the four sparsest, the paper's of both)."""
    densest = next((x.name for x in section.summary.genres if x.density_rank == 1), None)
    found: list[Line] = []
    for label in section.distilled:
        duels = section.scratch[label.name]
        if densest in duels and SPARSE in duels:
            dense, sparse = (duels[x].comparison.improvement for x in (str(densest), SPARSE))
            paper = None
            if study.name in ("table1", "table3"):
                paper = PAPER_TABLE_1.get(label.method)
            elif study.name in ("table2", "table5") and label.name in section.rounds:
                paper = PAPER_TABLE_2.get(section.rounds[label.name])
            found.append((label, dense, sparse, paper))
    return found


def _paper_lines(
    rows: Mapping[str, Sequence[tuple[float, float]]],
) -> list[tuple[str, list[tuple[float, float, float]]]]:
    """(name of the row, [(RMSE, its standard error, improvement over the paper's scratch)])."""
    return [
        (name, [(*figure, improvement(figure, i)) for i, figure in enumerate(figures, start=1)])
        for name, figures in rows.items()
    ]
