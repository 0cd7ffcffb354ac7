"""From result rows to a report that a reader can check: Markdown and one HTML file.

The idea: `summarise` turns the rows of a study into numbers, and the templates beside this module
only lay those numbers out. Every claim of the report is counted from the numbers in its tables, the
unfavourable ones included: where distillation hurt, where a bias model is better, and where no
difference was shown.

Example:

    write_report(read_rows("runs/results.jsonl"), "runs", command="python -m tdrec.run --genre=War")
"""

import json
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from tdrec.results import Row, replace_file
from tdrec.summary import METHODS, Cell, Label, Summary, first, summarise

DASH = "–"
GAP = "\u00a0"  # a space at which no line breaks

GLOSSARY: Mapping[str, str] = {
    "bias": "Bias model: the mean plus a damped offset for each of the genre's users and movies.",
    "teacher": "Teacher: the large model, trained on all genres and not tuned to any of them.",
    "scratch": "Scratch: the small student trained on its genre's ratings alone.",
    "ld": "LD, label distillation: the student also matches the teacher's predictions.",
    "fd": "FD, feature distillation: encodings of the student's and teacher's states are matched.",
    "fitnet": "FitNet: a projection of the student's hidden state matches the teacher's.",
    "hybrid": "Hybrid: LD and FD together.",
    "td": "TD, talking-model distillation: student and teacher exchange messages for k rounds, "
    "and the student matches what the teacher makes of them.",
}

PAPER_NOTE = (
    "The lines in italics quote Table 3 of the paper (arXiv 2310.03188) for its genre of the same "
    "rank by density. The paper does not name its genres, and its eight genres with more than 500 "
    "evaluation examples disagree with MovieLens 100K, where thirteen have that many when a movie "
    "counts for each of its genres. So absolute values are not comparable; only improvements, each "
    "over its own scratch, are. In the paper, TD is ahead of the other distilled students in 7 of "
    "8 genres and ahead of scratch in 5. Its Genre 5 needs care: Table 1 of the paper implies a "
    "scratch RMSE of about 1.27 to 1.29 there instead of 1.1609."
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
            parts.append(", ".join([f"{counts[0]} of {_genres(total.genres)}", *counts[1:]]))
            if total.improvement is not None:
                mean = _percent(total.improvement, total.improvement_se)
                parts[-1] += f" (mean improvement {mean})"
            if total.hurt:
                parts.append(f"negative transfer in {', '.join(total.hurt)}")
        else:
            parts.append(f"the student without distillation, in {_genres(total.genres)}")
        compared = total.beats_bias + total.loses_to_bias
        if compared and not total.loses_to_bias:
            parts.append(f"better than the bias model in all {_genres(compared)} compared")
        elif compared:
            parts.append(f"loses to the bias model in {total.loses_to_bias} of {_genres(compared)}")
        parts.append(f"best student in{GAP}{total.best}")
        sentences.append((label, "; ".join(parts) + "."))
    return sentences


def data_warnings(summary: Summary, rows: Sequence[Row]) -> list[str]:
    """What a reader must know before any number: simulated or mixed data, missing runs."""
    data = [row.get("data") or {} for row in rows]
    found = [str(text) for item in data for text in item.get("warnings") or ()]
    names = {str(item.get("name") or "") for item in data}
    if any("simulated" in name.lower() for name in names):
        found.insert(0, "Simulated data: these numbers say nothing about real users or movies.")
    if len({(item.get("name"), item.get("sha256")) for item in data}) > 1:
        found.append(f"The rows come from different data sets: {', '.join(sorted(names))}.")
    cells = sum(len(genre.cells) for genre in summary.genres)
    pairs = len(summary.genres) * len(summary.labels)
    if cells < pairs:
        found.append(
            f"Unfinished study: {pairs - cells} of {pairs} genre and method pairs have no run."
        )
    return list(dict.fromkeys(found))


def data_facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What the rows say about their data, as (name, value) to print."""
    data = first(rows, "data", {})

    def share(field: str) -> str:
        return DASH if data.get(field) is None else f"{100 * data[field]:.1f} %"

    return [
        ("Name", str(data.get("name") or DASH)),
        ("SHA-256", str(data.get("sha256") or DASH)),
        ("Training rows, all genres", _number(data.get("n_train"), 0)),
        ("Evaluation rows, all genres", _number(data.get("n_test"), 0)),
        ("Evaluation rows begin at", _utc(data.get("cut"))),
        ("Rows tied at that time", _number(data.get("ties"), 0)),
        ("Evaluation rows of users unseen in training", share("cold_share")),
        ("Evaluation rows of movies unseen in training", share("unseen_movie_share")),
    ]


def _genres(count: int) -> str:
    return f"{count} genre" + ("" if count == 1 else "s")


def _number(value: float | None, digits: int = 4) -> str:
    if value is None:
        return DASH
    return f"{value:,.{digits}f}" if math.isfinite(value) else "diverged"


def _with_error(value: float | None, error: float | None = None) -> str:
    return _number(value) + ("" if error is None else f"{GAP}±{GAP}{error:.4f}")


def _percent(value: float | None, error: float | None = None) -> str:
    if value is None:
        return DASH
    value = round(value, 2) + 0.0  # no "−0.00"
    return (
        f"{value:+.2f}".replace("-", "−")
        + ("" if error is None else f"{GAP}±{GAP}{error:.2f}")
        + GAP
        + "%"
    )


def _size(value: float | None) -> str:
    """Bytes in three significant digits: 61234 -> "61.2 kB"."""
    if value is None:
        return DASH
    prefixes = ["", "k", "M", "G", "T"]
    while abs(value) >= 999.5 and len(prefixes) > 1:
        value /= 1000
        prefixes.pop(0)
    return f"{value:.3g} {prefixes[0]}B"


def _time(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _ratio(teacher: float | None, student: float | None) -> str:
    return f"{teacher / student:.3g}×" if teacher and student else DASH


def _utc(seconds: float | None) -> str:
    if seconds is None:
        return DASH
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def _mark(cell: Cell) -> str:
    if cell.hurt:
        return "▼"
    return "≈" if cell.verdict in ("unclear", "one seed") else ""


def _markdown(text: object) -> str:
    """Text from outside as one line of a Markdown table cell: no markup, no cell or line breaks."""
    line = " ".join(str(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        line = line.replace(character, entity)
    for character in "\\|`*_[]":
        line = line.replace(character, "\\" + character)
    return line


def _fenced(text: str) -> str:
    """A Markdown code block that `text` cannot end, whatever backticks it has."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


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
    return _render("report.md", _context(summary, rows, command, notes))


def to_html(summary: Summary, rows: Sequence[Row], command: str, notes: Sequence[str] = ()) -> str:
    """The report as one HTML file that needs nothing else; arguments as for `to_markdown`."""
    from tdrec import plots

    context = _context(summary, rows, command, notes)
    figures = {
        "rmse": plots.rmse_by_genre(summary),
        "improvement": plots.improvement_by_genre(summary),
        "curves": plots.learning_curves(summary, rows),
        "cost": plots.student_against_teacher(summary),
    }
    return _render("report.html", context | {"figures": figures, "palette": plots.PALETTE})


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
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        replace_file(folder / name, text)
    return folder / "report.md", folder / "report.html"


def _context(
    summary: Summary, rows: Sequence[Row], command: str, notes: Sequence[str]
) -> dict[str, Any]:
    def distinct(values: Iterable[Any]) -> list[Any]:
        return sorted({value for value in values if value is not None})

    versions = [row.get("versions") or {} for row in rows]
    tools = distinct(tool for item in versions for tool in item)
    configs = {
        label.name: first((row for row in rows if row["label"] == label.name), "config")
        for label in summary.labels
    }
    return {
        "summary": summary,
        "verdicts": verdicts(summary),
        "warnings": data_warnings(summary, rows),
        "notes": notes,
        "command": command,
        "facts": data_facts(rows),
        "glossary": [
            GLOSSARY[x] for x in METHODS if x in {label.method for label in summary.labels}
        ],
        "bar": BAR,
        "legend": LEGEND,
        "reading": READING,
        "paper_note": PAPER_NOTE if any(genre.paper for genre in summary.genres) else "",
        "seeds": distinct(row.get("seed") for row in rows),
        "most_runs": max(cell.n for genre in summary.genres for cell in genre.cells.values()),
        "versions": {tool: distinct(str(x[tool]) for x in versions if tool in x) for tool in tools},
        "commits": distinct(row.get("git") for row in rows),
        "configs": {
            name: json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
            for name, config in configs.items()
            if config is not None
        },
        "teacher": next((x.name for x in summary.labels if x.method == "teacher"), None),
    }


def _render(name: str, context: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(
        autoescape=name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=_number,
        with_error=_with_error,
        percent=_percent,
        size=_size,
        time=_time,
        ratio=_ratio,
        utc=_utc,
        mark=_mark,
        md=_markdown,
        fenced=_fenced,
    )
    source = resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
    return environment.from_string(source).render(context)
