"""From result rows to a report that a reader can check: JSON lines, Markdown and one HTML file.

The idea: a study leaves one row for every run, `summarise` turns the rows into numbers that a
reader may compare, and the templates beside this module only lay those numbers out. Every
claim of the report is counted from the numbers in its tables, the unfavourable ones included: where
distillation hurt, where a bias model is better, and where no difference was shown.

Equations, with `r_s` a method's RMSE at seed `s` and `b_s` that of the student from scratch:

    mean            m  = sum_s r_s / n
    standard error  se = sqrt(sum_s (r_s - m)^2 / (n - 1)) / sqrt(n)
    difference      d  = mean of (r_s - b_s) over the seeds that both have; its se as above
    improvement     i  = 100 (mean(b) - mean(r)) / mean(b), in percent

Example:

    rows = read_rows("runs/results.jsonl")
    write_report(rows, "runs", command="python -m tdrec.run --genres=War")

Source: Talking Models, arXiv 2310.03188, Table 3 (RMSE by genre, standard error over seeds).
"""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

Row = Mapping[str, Any]

METHODS = ("bias", "teacher", "scratch", "ld", "fd", "fitnet", "hybrid", "td")
REFERENCES = ("bias", "teacher")
DASH = "–"
GAP = "\u00a0"  # a space at which no line breaks

# Table 3 of arXiv 2310.03188: (RMSE, standard error) of Genre 1 (densest) to Genre 8 (sparsest).
PAPER_TABLE_3: Mapping[str, tuple[tuple[float, float], ...]] = {
    "scratch": (
        *((1.0102, 0.0003), (1.0884, 0.0004), (1.0555, 0.0), (1.0502, 0.0)),
        *((1.1609, 0.0), (1.1160, 0.0), (1.0038, 0.0), (1.0937, 0.0)),
    ),
    "teacher": (
        *((1.0120, 0.0), (1.0854, 0.0), (1.0563, 0.0), (1.0689, 0.0)),
        *((1.1501, 0.0), (1.1090, 0.0), (1.0193, 0.0), (1.0660, 0.0)),
    ),
    "ld": (
        *((1.0083, 0.0), (1.1029, 0.0), (1.0601, 0.0), (1.0826, 0.0)),
        *((1.1964, 0.0), (1.1415, 0.0), (1.0088, 0.0), (1.0602, 0.0)),
    ),
    "fd": (
        *((1.0075, 0.0009), (1.0997, 0.0030), (1.0537, 0.0007), (1.0791, 0.0005)),
        *((1.1929, 0.0013), (1.1269, 0.0029), (1.0024, 0.0), (1.0527, 0.0036)),
    ),
    "fitnet": (
        *((1.0018, 0.0), (1.1018, 0.0), (1.0534, 0.0), (1.0849, 0.0)),
        *((1.1873, 0.0), (1.1260, 0.0), (1.0032, 0.0), (1.0605, 0.0)),
    ),
    "hybrid": (
        *((1.0015, 0.0008), (1.0955, 0.0013), (1.0517, 0.0012), (1.0737, 0.0014)),
        *((1.1843, 0.0008), (1.1215, 0.0028), (1.0076, 0.0009), (1.0499, 0.0014)),
    ),
    "td": (
        *((0.9965, 0.0001), (1.0908, 0.0002), (1.0475, 0.0001), (1.0761, 0.0002)),
        *((1.1656, 0.0010), (1.1050, 0.0), (1.0022, 0.0), (1.0485, 0.0013)),
    ),
}

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


# Rows on disk ------------------------------------------------------------------------------


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads `results.jsonl`, one JSON object a line; blank lines are passed over.

    A last line without a line end that does not parse was cut off when its process was killed: it
    is left out with a warning, since its run is simply not finished.

    Raises:
        ValueError: any other line is not a JSON object; the message names the file and the line.
    """
    lines = Path(path).read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:  # of JSON, or of UTF-8 cut inside a character
            if number == len(lines):
                warnings.warn(
                    f"{path}, line {number}: the last line is cut off (its run was interrupted) "
                    "and is left out. Run the study again to finish that run.",
                    stacklevel=2,
                )
                continue
            raise ValueError(_not_a_row(path, number, line)) from error
        if not isinstance(row, dict):
            raise ValueError(_not_a_row(path, number, line))
        rows.append(row)
    return rows


def _not_a_row(path: str | os.PathLike[str], number: int, line: bytes) -> str:
    shown = line[:80].decode("utf-8", errors="replace")
    return (
        f"{path}, line {number}: every line must be one JSON object. Received: {shown!r}. "
        "Delete the line and run the study again: only that run is repeated."
    )


def write_rows(path: str | os.PathLike[str], rows: Iterable[Row]) -> None:
    """Writes the rows as JSON lines; the old file stays until the new one is complete."""
    _replace(Path(path), "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# Numbers -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Label:
    """A column of the report: a method under its display name."""

    name: str
    method: str

    @property
    def is_student(self) -> bool:
        """Whether it is of the small size that a genre is served with."""
        return self.method not in REFERENCES

    @property
    def is_distilled(self) -> bool:
        """Whether it learned from the teacher, too."""
        return self.is_student and self.method != "scratch"


@dataclass(frozen=True)
class Cell:
    """One label on one genre. `None` stands for a number that the rows do not give.

    Attributes:
        n: number of runs (seeds).
        rmse, se: mean and standard error over seeds; `rmse` is NaN when a run diverged.
        improvement, improvement_se: percent of scratch's RMSE; its error is that of `difference`.
        difference, difference_se: paired by seed, method minus scratch; distilled students only.
        verdict: "better" or "worse" (difference beyond twice its standard error), "unclear" (not
            beyond it), "one seed" (no standard error), or None (nothing to compare).
        hurt: negative transfer: difference above zero and above its standard error, if it has one.
        best: lowest mean RMSE of the genre's students.
        beats_bias: lower mean RMSE than the bias model.
        rmse_cold, rmse_warm: means on rows of users unseen, seen in training.
    """

    n: int
    rmse: float
    se: float | None
    improvement: float | None
    improvement_se: float | None
    difference: float | None
    difference_se: float | None
    verdict: str | None
    hurt: bool
    best: bool
    beats_bias: bool | None
    rmse_cold: float | None
    rmse_warm: float | None


@dataclass(frozen=True)
class Genre:
    """One genre: its size, its cells by label, and the paper's (RMSE, standard error) by method."""

    name: str
    n_train: int
    n_test: int
    cold_share: float | None
    density_rank: int | None
    cells: Mapping[str, Cell]
    paper: Mapping[str, tuple[float, float]] | None


@dataclass(frozen=True)
class Total:
    """One label over all genres: counts over the genres it has, means over the complete ones.

    The standard errors take the seeds of different genres as independent:
    `se(mean) = sqrt(sum_g se_g^2) / G`.
    """

    rmse: float | None
    se: float | None
    improvement: float | None
    improvement_se: float | None
    genres: int
    best: int
    better: int
    worse: int
    unclear: int
    one_seed: int
    diverged: int
    hurt: tuple[str, ...]
    beats_bias: int
    loses_to_bias: int


@dataclass(frozen=True)
class Cost:
    """Medians over a label's runs."""

    params: float | None
    multiply_adds: float | None
    model_bytes: float | None
    latency_ms: float | None
    train_seconds: float | None


@dataclass(frozen=True)
class Summary:
    """All numbers of a report: labels in column order, genres from dense to sparse.

    Attributes:
        complete: names of the genres on which every label has a finite result.
    """

    labels: tuple[Label, ...]
    genres: tuple[Genre, ...]
    totals: Mapping[str, Total]
    costs: Mapping[str, Cost]
    complete: tuple[str, ...]


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard error (`sd / sqrt(n)`, sd with n - 1); a single value has no error.

    Example:

        mean_and_error([1.0, 3.0])  # (2.0, 1.0)
    """
    array = np.asarray(values, dtype=float)
    error = float(array.std(ddof=1) / math.sqrt(len(array))) if len(array) > 1 else None
    return float(array.mean()), error


def summarise(rows: Sequence[Row]) -> Summary:
    """Turns rows into the numbers of the report; the module's docstring has the equations.

    Args:
        rows: as from `read_rows`. Genres may lack methods. Of rows with the same genre, label, seed
            and key the last counts.

    Raises:
        ValueError: no rows, a row without a needed field, a label with two methods, or two
            different runs under one genre, label and seed.

    Example:

        summarise(rows).genres[0].cells["TD k=2"].improvement
    """
    if not rows:
        raise ValueError(
            "A report needs at least one row. Received: none. Run an experiment first."
        )
    runs: dict[str, dict[str, dict[Any, Row]]] = {}
    methods: dict[str, str] = {}
    for row in rows:
        missing = {"genre", "method", "label", "rmse", "n_train", "n_test"} - set(row)
        if missing:
            raise ValueError(
                f"Every row must have {sorted(missing)}. Received: a row with {sorted(row)}. "
                "Run it again with this version of tdrec."
            )
        genre, label, seed = row["genre"], row["label"], row.get("seed")
        if methods.setdefault(label, row["method"]) != row["method"]:
            raise ValueError(
                f"A label must stand for one method. Received: label {label!r} for "
                f"{methods[label]!r} and {row['method']!r}. Give the methods different labels."
            )
        seeds = runs.setdefault(genre, {}).setdefault(label, {})
        if seed in seeds and seeds[seed].get("key") != row.get("key"):
            raise ValueError(
                f"Genre, label and seed must name one run. Received: two different runs of "
                f"{genre!r}, {label!r}, seed {seed!r}. Give their settings different labels."
            )
        seeds[seed] = row

    labels = tuple(sorted((Label(*item) for item in methods.items()), key=_column))
    names = [str((row.get("data") or {}).get("name") or "") for row in rows]
    is_real = all(name and "simulated" not in name.lower() for name in names)
    genres = tuple(
        sorted(
            (_genre(name, by_label, labels, is_real) for name, by_label in runs.items()),
            key=lambda genre: (-genre.n_train, genre.name),
        )
    )
    complete = [
        genre
        for genre in genres
        if all(x.name in genre.cells and math.isfinite(genre.cells[x.name].rmse) for x in labels)
    ]
    return Summary(
        labels=labels,
        genres=genres,
        totals={label.name: _total(label.name, genres, complete) for label in labels},
        costs={
            label.name: _cost([row for row in rows if row["label"] == label.name])
            for label in labels
        },
        complete=tuple(genre.name for genre in complete),
    )


def _column(label: Label) -> tuple[int, str]:
    # A method of the caller's own comes last and counts as a distilled student.
    return METHODS.index(label.method) if label.method in METHODS else len(METHODS), label.name


def _numbers(rows: Iterable[Row], field: str) -> list[float]:
    values = (row.get(field) for row in rows)
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _first(rows: Iterable[Row], field: str, default: Any = None) -> Any:
    return next((row[field] for row in rows if row.get(field) is not None), default)


def _rmse(row: Row) -> float:
    # A diverged run may have left null, NaN or infinity.
    value = row["rmse"]
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _genre(
    name: str, by_label: Mapping[str, Mapping[Any, Row]], labels: Sequence[Label], is_real: bool
) -> Genre:
    rows = [row for seeds in by_label.values() for row in seeds.values()]
    rank = _first(rows, "density_rank")
    means = {
        label: mean_and_error([_rmse(row) for row in by_label[label.name].values()])
        for label in labels
        if label.name in by_label
    }
    scratch = next((label for label in means if label.method == "scratch"), None)
    bias = next((label for label in means if label.method == "bias"), None)
    students = {x: mean for x, (mean, _) in means.items() if x.is_student and math.isfinite(mean)}
    best = min(students, key=lambda label: students[label]) if students else None

    cells = {}
    for label, (mean, se) in means.items():
        seeds = by_label[label.name]
        base = means[scratch][0] if scratch and scratch != label else math.nan
        improvement = _share(base - mean, base)
        difference = difference_se = None
        if label.is_distilled and scratch:
            pairs = by_label[scratch.name]
            common = [seed for seed in seeds if seed in pairs and seed is not None]
            if common:
                difference, difference_se = mean_and_error(
                    [_rmse(seeds[seed]) - _rmse(pairs[seed]) for seed in common]
                )
                difference, difference_se = _finite(difference), _finite(difference_se)
        cold, warm = (_numbers(seeds.values(), f"rmse_{users}") for users in ("cold", "warm"))
        cells[label.name] = Cell(
            n=len(seeds),
            rmse=mean,
            se=_finite(se),
            improvement=improvement,
            improvement_se=_share(difference_se, base),
            difference=difference,
            difference_se=difference_se,
            verdict=_verdict(difference, difference_se),
            hurt=difference is not None and difference > max(0.0, difference_se or 0.0),
            best=label == best,
            beats_bias=None if bias is None or bias == label else mean < means[bias][0],
            rmse_cold=float(np.mean(cold)) if cold else None,
            rmse_warm=float(np.mean(warm)) if warm else None,
        )
    return Genre(
        name=name,
        n_train=rows[0]["n_train"],
        n_test=rows[0]["n_test"],
        cold_share=_first(rows, "cold_share"),
        density_rank=rank,
        cells=cells,
        paper={method: values[rank - 1] for method, values in PAPER_TABLE_3.items()}
        if is_real and rank
        else None,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _share(part: float | None, whole: float) -> float | None:
    return _finite(100 * part / whole) if part is not None and whole else None


def _verdict(difference: float | None, error: float | None) -> str | None:
    if difference is None:
        return None
    if error is None:
        return "one seed"
    if abs(difference) <= 2 * error:
        return "unclear"
    return "better" if difference < 0 else "worse"


def _total(name: str, genres: Sequence[Genre], complete: Sequence[Genre]) -> Total:
    present = [(genre, genre.cells[name]) for genre in genres if name in genre.cells]
    shared = [genre.cells[name] for genre in complete]
    cells = [cell for _, cell in present]

    def mean(field: str) -> float | None:
        values = [getattr(cell, field) for cell in shared]
        return float(np.mean(values)) if values and None not in values else None

    def error(field: str) -> float | None:
        values = [getattr(cell, field) for cell in shared]
        return math.hypot(*values) / len(values) if values and None not in values else None

    return Total(
        rmse=mean("rmse"),
        se=error("se"),
        improvement=mean("improvement"),
        improvement_se=error("improvement_se"),
        genres=len(cells),
        best=sum(cell.best for cell in cells),
        better=sum(cell.verdict == "better" for cell in cells),
        worse=sum(cell.verdict == "worse" for cell in cells),
        unclear=sum(cell.verdict == "unclear" for cell in cells),
        one_seed=sum(cell.verdict == "one seed" for cell in cells),
        diverged=sum(not math.isfinite(cell.rmse) for cell in cells),
        hurt=tuple(genre.name for genre, cell in present if cell.hurt),
        beats_bias=sum(cell.beats_bias is True for cell in cells),
        loses_to_bias=sum(cell.beats_bias is False for cell in cells),
    )


def _cost(rows: Sequence[Row]) -> Cost:
    def median(field: str) -> float | None:
        values = _numbers(rows, field)
        return float(np.median(values)) if values else None

    return Cost(*(median(field) for field in Cost.__dataclass_fields__))


# Words -------------------------------------------------------------------------------------


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
                parts.append(f"negative transfer in {_names(total.hurt)}")
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
        found.append(f"The rows come from different data sets: {_names(sorted(names))}.")
    cells = sum(len(genre.cells) for genre in summary.genres)
    pairs = len(summary.genres) * len(summary.labels)
    if cells < pairs:
        found.append(
            f"Unfinished study: {pairs - cells} of {pairs} genre and method pairs have no run."
        )
    return list(dict.fromkeys(found))


def data_facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What the rows say about their data, as (name, value) to print."""
    data = _first(rows, "data", {})

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


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)


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
        _replace(folder / name, text)
    return folder / "report.md", folder / "report.html"


def _context(
    summary: Summary, rows: Sequence[Row], command: str, notes: Sequence[str]
) -> dict[str, Any]:
    def distinct(values: Iterable[Any]) -> list[Any]:
        return sorted({value for value in values if value is not None})

    versions = [row.get("versions") or {} for row in rows]
    tools = distinct(tool for item in versions for tool in item)
    configs = {
        label.name: _first((row for row in rows if row["label"] == label.name), "config")
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
