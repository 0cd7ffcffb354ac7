"""`auto` in a study: what choosing each genre's method on validation rows would have been worth.

The idea: tuning leaves each student's errors on the validation rows; `auto` is, for each genre, the
student that has the lowest RMSE there, if it is shown to be better than scratch, and else scratch
(`tdrec.statistics.choose`). It needs no training of its own. Its regret is what the best student of
the genre, known only after the evaluation, would have been better by.

Example:

    for choice in choices(section):
        print(choice.genre, choice.label, choice.regret)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tdrec.page import count_genres
from tdrec.statistics import UserErrors, choose, signed
from tdrec.study_summary import Section
from tdrec.summary import first


@dataclass(frozen=True)
class Choice:
    """What `auto` takes on one genre.

    Attributes:
        genre: The genre.
        label: The student.
        validation_rmse: Its RMSE on the validation rows.
        rmse: Its RMSE on evaluation rows, the mean over seeds.
        difference: That minus scratch's; below zero is better.
        best: The student with the lowest RMSE on evaluation rows.
        regret: RMSE minus the best one's; at least 0.
    """

    genre: str
    label: str
    validation_rmse: float
    rmse: float
    difference: float
    best: str
    regret: float


@dataclass(frozen=True)
class Auto:
    """The choices of one regime and setting, at least one.

    Attributes:
        title: The section's.
        choices: One for each genre on which every student was tuned and has a result.
    """

    title: str
    choices: tuple[Choice, ...]

    @property
    def mean_rmse(self) -> float:
        return float(np.mean([choice.rmse for choice in self.choices]))

    @property
    def mean_difference(self) -> float:
        return float(np.mean([choice.difference for choice in self.choices]))

    @property
    def mean_regret(self) -> float:
        return float(np.mean([choice.regret for choice in self.choices]))

    @property
    def worst(self) -> Choice:
        """The choice that is worst against scratch."""
        return max(self.choices, key=lambda choice: choice.difference)

    @property
    def most_regretted(self) -> Choice:
        return max(self.choices, key=lambda choice: choice.regret)


def choices(section: Section) -> tuple[Choice, ...]:
    """The choices on the genres on which every student was tuned and has a finite result."""
    students = [label for label in section.summary.labels if label.is_student]
    scratch = next((label.name for label in students if label.method == "scratch"), None)
    found = []
    for genre in section.summary.genres if scratch else ():
        validation, rmse = {}, {}
        for label in students:
            validation[label.name] = _validation(section, genre.name, label.name)
            cell = genre.cells.get(label.name)
            rmse[label.name] = cell.rmse if cell else math.nan
        if None in validation.values() or not all(map(math.isfinite, rmse.values())):
            continue
        errors = {name: UserErrors.of(found["by_user"]) for name, found in validation.items()}
        chosen = choose(errors, str(scratch))
        best = min(rmse, key=rmse.__getitem__)
        found.append(
            Choice(
                genre=genre.name,
                label=chosen,
                validation_rmse=validation[chosen]["rmse"],
                rmse=rmse[chosen],
                difference=rmse[chosen] - rmse[str(scratch)],
                best=best,
                regret=rmse[chosen] - rmse[best],
            )
        )
    return tuple(found)


def validation_rmse(section: Section, genre: str, label: str) -> float | None:
    """The RMSE on validation rows that tuning ended with; None if the label was not tuned."""
    found = _validation(section, genre, label)
    return found and float(found["rmse"])


def autos(sections: Sequence[Section]) -> tuple[Auto, ...]:
    """The choices of all sections that have any."""
    found = (Auto(section.title, choices(section)) for section in sections)
    return tuple(auto for auto in found if auto.choices)


def sentence(auto: Auto) -> str:
    """What choosing by validation was worth, in one plain sentence."""
    worst, regretted, mean = auto.worst, auto.most_regretted, auto.mean_difference
    amount = f"{abs(mean):.4f} {'higher' if mean > 0 else 'lower'} than"
    if f"{abs(mean):.4f}" == "0.0000":
        amount = "to four decimals that of"
    against = "worse in no genre"
    if worst.difference > 0:
        against = f"worst in {worst.genre} ({signed(worst.difference)})"
    return (
        f"{auto.title}: the RMSE of auto is {amount} scratch in the mean over "
        f"{count_genres(len(auto.choices))}, {against}; its regret against the best student of "
        f"each genre is {auto.mean_regret:.4f} in the mean, at most {regretted.regret:.4f} "
        f"({regretted.genre})."
    )


def _validation(section: Section, genre: str, label: str) -> Any:
    rows = [row for row in section.rows if (row["genre"], row["label"]) == (genre, label)]
    return first(rows, "validation")
