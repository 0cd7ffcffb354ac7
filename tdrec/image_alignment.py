"""How alike states of student and teacher are, from the runs of a task: the paper's Figure 3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.summary import Label, Runs, finite


@dataclass(frozen=True, eq=False)
class Alignment:
    """How alike a student's states and its teacher's are: CKA, the mean over runs.

    Attributes:
        student: names of the student's states, such as "low", "high" and "message".
        teacher: names of the teacher's.
        classes: name of a class -> array of shape `(student, teacher)`; NaN where no run says it.
    """

    student: tuple[str, ...]
    teacher: tuple[str, ...]
    classes: Mapping[str, NDArray[np.float64]]

    def select(self, student: Sequence[str], teacher: Sequence[str]) -> "Alignment":
        """The same for these states, in this order; NaN for a state that it lacks.

        Args:
            student, teacher: names of states.
        """
        classes = {}
        for name, values in self.classes.items():
            rows = [dict(zip(self.teacher, row, strict=True)) for row in values]
            table = dict(zip(self.student, rows, strict=True))
            classes[name] = _array(table, student, teacher)
        return Alignment(tuple(student), tuple(teacher), classes)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean over the classes, as far as they have a value."""
        return _known_mean(list(self.classes.values()))

    @property
    def diagonal(self) -> dict[str, float]:
        """The mean over the classes of each state with the teacher's of the same name."""
        mean = self.mean
        return {
            name: float(mean[self.student.index(name), self.teacher.index(name)])
            for name in self.student
            if name in self.teacher
        }


def alignments(by_label: Mapping[str, Runs], labels: Sequence[Label]) -> dict[str, Alignment]:
    """The alignments of a task.

    Args:
        by_label: its runs by label and seed, whose `cka` is by class, state of the student and
            state of the teacher.
        labels: in the order that is wanted.

    Returns:
        By label, those that have any.
    """
    found = {}
    for label in labels:
        tables = [row["cka"] for row in by_label.get(label.name, {}).values() if row.get("cka")]
        if tables:
            found[label.name] = _alignment(tables)
    return found


def _alignment(tables: Sequence[Mapping[str, Any]]) -> Alignment:
    """The mean of several runs' tables: class -> student's state -> teacher's state -> CKA."""
    students = [of for table in tables for of in table.values()]
    student = tuple(dict.fromkeys(name for of in students for name in of))
    teacher = tuple(dict.fromkeys(x for of in students for row in of.values() for x in row))
    names = dict.fromkeys(name for table in tables for name in table)
    classes = {
        name: _known_mean([_array(table.get(name, {}), student, teacher) for table in tables])
        for name in names
    }
    return Alignment(student, teacher, classes)


def _array(
    table: Mapping[str, Mapping[str, float]], student: Sequence[str], teacher: Sequence[str]
) -> NDArray[np.float64]:
    """From state of the student -> of the teacher -> CKA; NaN where the table lacks it."""
    return np.array(
        [[finite(table.get(own, {}).get(its)) for its in teacher] for own in student], float
    )


def _known_mean(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of those values that are known; NaN where none is."""
    stacked = np.stack(arrays)
    known = np.isfinite(stacked)
    count = known.sum(0)
    total = np.where(known, stacked, 0.0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
