"""From result rows to the numbers that a reader may compare.

Equations, with `r_s` a method's RMSE at seed `s` and `b_s` that of the student from scratch:

    mean            m  = sum_s r_s / n
    standard error  se = sqrt(sum_s (r_s - m)^2 / (n - 1)) / sqrt(n)
    difference      d  = mean of (r_s - b_s) over the seeds that both have; its se as above
    improvement     i  = 100 (mean(b) - mean(r)) / mean(b), in percent

Source: Talking Models, arXiv 2310.03188, Table 3 (RMSE by genre, standard error over seeds).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tdrec.paper_tables import PAPER_TABLE_3
from tdrec.results import Row

METHODS = ("bias", "teacher", "scratch", "ld", "fd", "fitnet", "hybrid", "td")
REFERENCES = ("bias", "teacher")


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
    """Medians over a label's runs.

    Attributes:
        params, multiply_adds: Of the model that is served; multiplications of one prediction.
        method_params: Parameters of the method's own layers, which are needed in training alone.
        train_multiply_adds: Multiplications of one row in a training step, forward and backward.
        model_bytes, latency_ms, train_seconds: Of its file, of one batch, of one run.
    """

    params: float | None
    multiply_adds: float | None
    method_params: float | None
    train_multiply_adds: float | None
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

    @property
    def most_runs(self) -> int:
        """The most runs of a label on a genre; one with fewer is unfinished, or has one run."""
        return max(cell.n for genre in self.genres for cell in genre.cells.values())

    @property
    def teacher_cost(self) -> Cost | None:
        """The teacher's costs, if it has a row."""
        names = [label.name for label in self.labels if label.method == "teacher"]
        return self.costs[names[0]] if names else None


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
    labels, runs = group_runs(rows, "genre", "rmse")
    names = [str((row.get("data") or {}).get("name") or "") for row in rows]
    is_real = all(name and "simulated" not in name.lower() for name in names)
    found = (_genre(name, by_label, labels, is_real) for name, by_label in runs.items())
    genres = tuple(sorted(found, key=lambda genre: (-genre.n_train, genre.name)))
    complete = [
        genre
        for genre in genres
        if all(x.name in genre.cells and math.isfinite(genre.cells[x.name].rmse) for x in labels)
    ]
    return Summary(
        labels=labels,
        genres=genres,
        totals={x.name: _total(x.name, genres, complete) for x in labels},
        costs=costs_by_label(rows, labels),
        complete=tuple(genre.name for genre in complete),
    )


Runs = Mapping[Any, Row]
"""The row of each seed; a model without seeds has one, of None."""


def group_runs(
    rows: Sequence[Row], place: str, figure: str
) -> tuple[tuple[Label, ...], Mapping[str, Mapping[str, Runs]]]:
    """The labels in column order, and the rows by place, label and seed.

    Args:
        rows: of rows with the same place, label, seed and key the last counts.
        place: the field that says what was learned: "genre" or "task".
        figure: the field that says how well: "rmse" or "accuracy".

    Returns:
        The labels, and the runs by name of the place and then of the label, in order of appearance.

    Raises:
        ValueError: as `summarise` does.

    Example:

        labels, runs = group_runs(rows, "genre", "rmse")
        runs["War"]["TD k=2"][0]["rmse"]
    """
    if not rows:
        raise ValueError(
            "A report needs at least one row. Received: none. Run an experiment first."
        )
    runs: dict[str, dict[str, dict[Any, Row]]] = {}
    methods: dict[str, str] = {}
    for row in rows:
        missing = {place, "method", "label", figure, "n_train", "n_test"} - set(row)
        if missing:
            raise ValueError(
                f"Every row must have {sorted(missing)}. Received: a row with {sorted(row)}. "
                "Run it again with this version of tdrec."
            )
        name, label, seed = row[place], row["label"], row.get("seed")
        if methods.setdefault(label, row["method"]) != row["method"]:
            raise ValueError(
                f"A label must stand for one method. Received: label {label!r} for "
                f"{methods[label]!r} and {row['method']!r}. Give the methods different labels."
            )
        seeds = runs.setdefault(name, {}).setdefault(label, {})
        if seed in seeds and seeds[seed].get("key") != row.get("key"):
            raise ValueError(
                f"{place.capitalize()}, label and seed must name one run. Received: two different "
                f"runs of {name!r}, {label!r}, seed {seed!r}. Give their settings different labels."
            )
        seeds[seed] = row
    labels = tuple(sorted((Label(*item) for item in methods.items()), key=_column))
    return labels, runs


def first(rows: Iterable[Row], field: str, default: Any = None) -> Any:
    """The field's first value that is not None."""
    return next((row[field] for row in rows if row.get(field) is not None), default)


def _column(label: Label) -> tuple[int, str]:
    # A method of the caller's own comes last and counts as a distilled student.
    return METHODS.index(label.method) if label.method in METHODS else len(METHODS), label.name


def _numbers(rows: Iterable[Row], field: str) -> list[float]:
    values = (row.get(field) for row in rows)
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def finite(value: float | None) -> float:
    """A figure of a run; NaN for the null, NaN or infinity that a diverged one may have left."""
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _genre(
    name: str, by_label: Mapping[str, Runs], labels: Sequence[Label], is_real: bool
) -> Genre:
    rows = [row for seeds in by_label.values() for row in seeds.values()]
    rank = first(rows, "density_rank")
    means = {
        label: mean_and_error([finite(row["rmse"]) for row in by_label[label.name].values()])
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
        difference = difference_se = None
        if label.is_distilled and scratch:
            pairs = by_label[scratch.name]
            common = [seed for seed in seeds if seed in pairs and seed is not None]
            if common:
                difference, difference_se = map(
                    _finite,
                    mean_and_error(
                        [
                            finite(seeds[seed]["rmse"]) - finite(pairs[seed]["rmse"])
                            for seed in common
                        ]
                    ),
                )
        cold, warm = (_numbers(seeds.values(), f"rmse_{users}") for users in ("cold", "warm"))
        cells[label.name] = Cell(
            n=len(seeds),
            rmse=mean,
            se=_finite(se),
            improvement=_share(base - mean, base),
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
    paper = {method: values[rank - 1] for method, values in PAPER_TABLE_3.items()} if rank else None
    return Genre(
        name=name,
        n_train=rows[0]["n_train"],
        n_test=rows[0]["n_test"],
        cold_share=first(rows, "cold_share"),
        density_rank=rank,
        cells=cells,
        paper=paper if is_real else None,
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
    cells = [genre.cells[name] for genre in genres if name in genre.cells]
    verdicts = [cell.verdict for cell in cells]
    beats_bias = [cell.beats_bias for cell in cells]

    def values(field: str) -> list[float] | None:
        found = [getattr(genre.cells[name], field) for genre in complete]
        return found if found and None not in found else None

    def mean(field: str) -> float | None:
        found = values(field)
        return float(np.mean(found)) if found else None

    def error(field: str) -> float | None:
        found = values(field)
        return math.hypot(*found) / len(found) if found else None

    return Total(
        rmse=mean("rmse"),
        se=error("se"),
        improvement=mean("improvement"),
        improvement_se=error("improvement_se"),
        genres=len(cells),
        best=sum(cell.best for cell in cells),
        better=verdicts.count("better"),
        worse=verdicts.count("worse"),
        unclear=verdicts.count("unclear"),
        one_seed=verdicts.count("one seed"),
        diverged=sum(not math.isfinite(cell.rmse) for cell in cells),
        hurt=tuple(g.name for g in genres if name in g.cells and g.cells[name].hurt),
        beats_bias=beats_bias.count(True),
        loses_to_bias=beats_bias.count(False),
    )


def costs_by_label(rows: Sequence[Row], labels: Iterable[Label]) -> dict[str, Cost]:
    """What each label's runs cost."""
    return {x.name: median_cost([row for row in rows if row["label"] == x.name]) for x in labels}


def median_cost(rows: Sequence[Row]) -> Cost:
    """What a label's runs cost, by their medians; None where no run says it."""

    def median(field: str) -> float | None:
        values = _numbers(rows, field)
        return float(np.median(values)) if values else None

    return Cost(*(median(field) for field in Cost.__dataclass_fields__))
