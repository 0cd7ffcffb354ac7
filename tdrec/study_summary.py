"""From the rows of a study to comparisons that a reader may quote.

The idea: rows are compared within one regime and one setting, a `Section`. Its means and standard
errors are those of `summarise`; on top of them each student is compared, by a paired bootstrap over
evaluation users, with scratch, with the bias model, with the best other method, and, where its
method was varied, with the method's default.

The rows of a study have, beside what `summarise` reads:

- `study`: its name, such as "table3"; one for all rows.
- `regime`: "paper" or "strong".
- `setting`: what was varied, such as "10% of the rows"; "" for nothing.
- `by_user`: `{"ids": [...], "rows": [...], "squared_error": [...]}` over the evaluation users of
  the genre; may be left out of a run that diverged.
- `tuned`: the chosen hyperparameters by name; {} or nothing where none were tuned.
- `rounds`: of communication; TD alone.

References, which have method "bias" or "teacher", have seed None and one run.

Example:

    study = summarise_study(read_rows("table3/results.jsonl"))
    study.sections[0].scratch["TD k=2"]["Drama"].comparison.verdict
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tdrec.config import NAMES, ExperimentConfig
from tdrec.results import Row
from tdrec.statistics import Comparison, UserErrors, compare
from tdrec.summary import Label, Summary, first, summarise

MEAN = "Mean over genres"
"""The place of a comparison in the mean over the complete genres."""

SPARSE = "Four sparsest genres"
"""The place of a comparison in the mean over the genres of ranks 5 to 8, as in the paper."""

REGIMES = ("paper", "strong")


@dataclass(frozen=True)
class Duel:
    """A label's comparison with another label."""

    other: str
    comparison: Comparison


Duels = Mapping[str, Mapping[str, Duel]]
"""By label and by place: a genre, `MEAN` or `SPARSE`. Places without a result are left out."""


@dataclass(frozen=True)
class Section:
    """What may be compared: one regime in one setting.

    Attributes:
        regime, setting: as the rows have them.
        rows: the section's.
        summary: means, standard errors and costs.
        scratch: distilled students against scratch.
        bias: students against the bias model.
        best: distilled students against the best of the other methods, by mean RMSE: in each genre
            the best there, in a mean over genres the best in that mean. Where all distilled
            students are of one method, the others of it are meant.
        default: variants of a method against the method with its default arguments, where both
            are among the labels: "TD without middle" against "TD k=2".
        rounds: rounds of TD's labels.
    """

    regime: str
    setting: str
    rows: tuple[Row, ...]
    summary: Summary
    scratch: Duels
    bias: Duels
    best: Duels
    default: Duels
    rounds: Mapping[str, int]

    @property
    def places(self) -> tuple[str, ...]:
        """Where its students can be compared: its genres, then `SPARSE` and `MEAN` if known."""
        known = {
            place for duels in (self.scratch, self.bias) for of in duels.values() for place in of
        }
        means = tuple(place for place in (SPARSE, MEAN) if place in known)
        return tuple(genre.name for genre in self.summary.genres) + means

    @property
    def title(self) -> str:
        """Its name: "Strong regime: 10% of the rows"."""
        return f"{self.regime.capitalize()} regime" + (f": {self.setting}" if self.setting else "")

    @property
    def distilled(self) -> tuple[Label, ...]:
        """Its students that a teacher had a part in."""
        return tuple(label for label in self.summary.labels if label.is_distilled)


@dataclass(frozen=True)
class Study:
    """All that a study's report says: its name and its sections."""

    name: str
    sections: tuple[Section, ...]


def summarise_study(rows: Sequence[Row]) -> Study:
    """Compares whatever a study's rows allow to compare; this module's docstring has their fields.

    Args:
        rows: as from `read_rows`, of one study. The study may be unfinished.

    Returns:
        The `Study`, its sections by regime and by setting: first the one without a setting, then
        shares of the rows in ascending order, then the others as they come.

    Raises:
        ValueError: no rows, rows of several studies, a row without a needed field, users' errors
            that do not give the row's RMSE, or what `summarise` and `compare` refuse.

    Example:
        >>> summarise_study(rows).sections[0].title
        'Paper regime'
    """
    names = list(dict.fromkeys(row.get("study") for row in rows))
    if len(names) != 1:
        raise ValueError(
            f"A report shows one study. Received: {len(rows)} rows of {names}. "
            "Run a study first, and give each study a folder of its own."
        )
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        missing = {"study", "regime", "setting"} - set(row)
        if missing:
            raise ValueError(
                f"Every row of a study must have {sorted(missing)}. Received: a row with "
                f"{sorted(row)}. Make the rows with `python -m tdrec.study`."
            )
        groups.setdefault((row["regime"], row["setting"]), []).append(row)
    order = list(groups)
    order.sort(key=lambda group: (_place(REGIMES, group[0]), group[1] != "", *_share_key(group[1])))
    return Study(
        name=str(names[0]),
        sections=tuple(_section(*group, groups[group]) for group in order),
    )


def share_of_rows(setting: str) -> float | None:
    """The share in a setting that is one: "10% of the rows" -> 0.1, and "" -> 1."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*% of the rows", setting)
    if found:
        return float(found[1]) / 100
    return None if setting else 1.0


def tuned_values(section: Section) -> list[tuple[Label, list[tuple[str, Mapping[str, Any]]]]]:
    """What was chosen for each label that was tuned, genres with the same values together.

    Returns:
        (label, [(its genres, the values by name)]).
    """
    found = []
    for label in section.summary.labels:
        groups: dict[str, tuple[list[str], Mapping[str, Any]]] = {}
        genres = [genre.name for genre in section.summary.genres if label.name in genre.cells]
        for genre in genres:
            own = [r for r in section.rows if (r["genre"], r["label"]) == (genre, label.name)]
            tuned = first(own, "tuned", {})
            if tuned:
                groups.setdefault(repr(sorted(tuned.items())), ([], tuned))[0].append(genre)
        lines = [
            ("all genres" if names == genres else ", ".join(names), values)
            for names, values in groups.values()
        ]
        if lines:
            found.append((label, lines))
    return found


def _place(known: Sequence[str], name: str) -> int:
    return known.index(name) if name in known else len(known)


def _share_key(setting: str) -> tuple[bool, float]:
    share = share_of_rows(setting)
    return share is None, share or 0.0


class _Runs:
    """A section's runs by genre, label and seed, as sides of comparisons."""

    def __init__(self, rows: Sequence[Row], summary: Summary) -> None:
        self._rows: dict[tuple[str, str], dict[Any, Row]] = {}
        self._cells = {genre.name: genre.cells for genre in summary.genres}
        for row in rows:  # the last of a run that was repeated counts, as in `summarise`
            self._rows.setdefault((row["genre"], row["label"]), {})[row.get("seed")] = row

    def duel(self, label: str, other: str, genres: Sequence[str]) -> Duel | None:
        """The comparison in the mean over genres, if both have a finite result in all of them."""
        pairs = []
        for genre in genres:
            cells = self._cells[genre]
            if not all(x in cells and math.isfinite(cells[x].rmse) for x in (label, other)):
                return None
            one, two = self._rows[genre, label], self._rows[genre, other]
            # a reference has the one run None, which is compared with every seed
            common = [seed for seed in one if seed in two]
            own, its = (common or list(side) for side in (one, two))
            if not common and None not in (*one, *two):
                return None
            pairs.append((self._errors(genre, label, own), self._errors(genre, other, its)))
        return Duel(other, compare(pairs)) if pairs else None

    def _errors(self, genre: str, label: str, seeds: Sequence[Any]) -> UserErrors:
        rows = [self._rows[genre, label][seed] for seed in seeds]
        users = [row.get("by_user") or {} for row in rows]
        fields = ("ids", "rows", "squared_error")
        if not all(field in user for user in users for field in fields):
            raise ValueError(
                f"A run with an RMSE must have by_user with {', '.join(fields)}. Received: one of "
                f"{label!r} on {genre!r} without. Make the rows with `python -m tdrec.study`."
            )
        if any(user[field] != users[0][field] for user in users for field in fields[:2]):
            raise ValueError(
                "All seeds must be evaluated on the same rows of the same users. Received: others "
                f"among those of {label!r} on {genre!r}. Keep the rows of one data set."
            )
        errors = UserErrors.of(*users)
        rmse = np.array([row["rmse"] for row in rows], float)
        worst = np.argmax(np.abs(errors.rmse - rmse))
        if abs(errors.rmse[worst] - rmse[worst]) > 1e-4 * rmse[worst]:
            raise ValueError(
                f"by_user must give the row's rmse. Received: {errors.rmse[worst]:.6f} from "
                f"by_user and {rmse[worst]:.6f} as rmse of {label!r} on {genre!r}. "
                "Clip predictions alike for both, and count every row once."
            )
        return errors


def _section(regime: str, setting: str, rows: Sequence[Row]) -> Section:
    summary = summarise(rows)
    runs = _Runs(rows, summary)
    complete = summary.complete
    ranks = {genre.density_rank: genre.name for genre in summary.genres}
    sparse = tuple(ranks[rank] for rank in range(5, 9) if ranks.get(rank) in complete)
    places: dict[str, tuple[str, ...]] = {genre.name: (genre.name,) for genre in summary.genres}
    if complete:
        places[MEAN] = complete
    if len(sparse) == 4:
        places[SPARSE] = sparse
    students = [label for label in summary.labels if label.is_student]
    distilled = [label for label in students if label.is_distilled]
    methods = {label.method: label for label in reversed(summary.labels)}

    def best_other(label: Label, genres: Sequence[str]) -> Label | None:
        others = [x for x in distilled if x.method != label.method]
        others = others or [x for x in distilled if x != label]
        means = {x: _mean_rmse(summary, x, genres) for x in others}
        known = [x for x in others if math.isfinite(means[x])]
        return min(known, key=lambda x: means[x]) if known else None

    defaults = {label.method: label for label in distilled if label.name == _default_name(label)}
    variants = [x for x in distilled if x.method in defaults and x != defaults[x.method]]

    scratch: dict[str, dict[str, Duel]] = {label.name: {} for label in distilled}
    bias: dict[str, dict[str, Duel]] = {label.name: {} for label in students}
    best: dict[str, dict[str, Duel]] = {label.name: {} for label in distilled}
    default: dict[str, dict[str, Duel]] = {label.name: {} for label in variants}
    for place, genres in places.items():  # place by place: its resamples are drawn once
        pairs = [(scratch, x, methods.get("scratch")) for x in distilled]
        pairs += [(bias, x, methods.get("bias")) for x in students]
        pairs += [(best, x, best_other(x, genres)) for x in distilled]
        pairs += [(default, x, defaults[x.method]) for x in variants]
        for duels, label, other in pairs:
            if other and (duel := runs.duel(label.name, other.name, genres)):
                duels[label.name][place] = duel
    found = {x.name: first((r for r in rows if r["label"] == x.name), "rounds") for x in distilled}
    return Section(
        regime=regime,
        setting=setting,
        rows=tuple(rows),
        summary=summary,
        scratch=scratch,
        bias=bias,
        best=best,
        default=default,
        rounds={label: int(rounds) for label, rounds in found.items() if rounds is not None},
    )


def _default_name(label: Label) -> str | None:
    """How tables name the label's method with its default arguments."""
    return ExperimentConfig().label(label.method) if label.method in NAMES else None


def _mean_rmse(summary: Summary, label: Label, genres: Sequence[str]) -> float:
    cells = [genre.cells.get(label.name) for genre in summary.genres if genre.name in genres]
    return float(np.mean([cell.rmse if cell else math.nan for cell in cells]))
