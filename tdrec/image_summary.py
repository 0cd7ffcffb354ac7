r"""From rows of image classification to the numbers that a reader may compare.

The idea: in these tasks a seed draws the training images and the initial weights, for all methods
alike, so the seeds are the sample. Methods are compared within a seed, where what they share
cancels. With $a_s$ the accuracy of one method at seed $s$, $b_s$ that of another and $n$ seeds,

$$d_s = a_s - b_s, \qquad \bar d = \frac{1}{n} \sum_s d_s, \qquad
\bar d \pm t_{n-1,\,0.975} \, \frac{s_d}{\sqrt{n}}$$

is their difference with its 95% interval, of Student's t, where $s_d$ is the standard deviation of
$d_s$ with $n - 1$. A mean over tasks is a place of its own: its accuracy at a seed is the mean over
the tasks, and all else follows as for a task.

Source: Student, "The Probable Error of a Mean", 1908. The tables that it serves are 4, 6 and 9 of
"Talking Models", arXiv 2310.03188, and its Figure 3.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tdrec.image_alignment import Alignment, alignments
from tdrec.results import Row
from tdrec.statistics import Interval
from tdrec.summary import (
    Cost,
    Label,
    Runs,
    costs_by_label,
    finite,
    first,
    group_runs,
    mean_and_error,
)

Accuracies = Mapping[int | None, float]
"""The accuracy of one label by seed; NaN where a run diverged. A model without seeds has None."""


@dataclass(frozen=True)
class Difference:
    """The accuracy of one label minus that of another, paired by seed.

    Attributes:
        value: the mean over the seeds that both have.
        interval: with its 95% interval; None with one seed.
        n: number of these seeds.
    """

    value: float
    interval: Interval | None
    n: int

    @property
    def verdict(self) -> str:
        """ "better", "worse", "unclear" (zero is in the interval) or "one seed"."""
        if self.interval is None:
            return "one seed"
        return {"above": "better", "below": "worse", None: "unclear"}[self.interval.side]


@dataclass(frozen=True)
class Cell:
    """One label at one place.

    Attributes:
        runs: its accuracy by seed.
        accuracy, se: mean and standard error over seeds; `accuracy` is NaN when a run diverged, and
            `se` is None then, and with one seed.
        scratch: the difference from the student trained from scratch; distilled students only.
        best: highest mean accuracy of the place's students.
    """

    runs: Accuracies
    accuracy: float
    se: float | None
    scratch: Difference | None
    best: bool

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.runs)

    @property
    def verdict(self) -> str | None:
        """That of the difference from scratch; None without one."""
        return self.scratch.verdict if self.scratch else None


@dataclass(frozen=True, eq=False)
class Place:
    """A task, or the mean over several.

    Attributes:
        name: of the task, or what the mean is over.
        tasks: the names of the tasks in it.
        cells: by name of the label.
    """

    name: str
    tasks: tuple[str, ...]
    cells: Mapping[str, Cell]

    def difference(self, label: str, other: str) -> Difference | None:
        """What `compare` says of two labels here.

        Args:
            label, other: their names.

        Returns:
            None where one of them has no runs, too.

        Example:
            >>> summary.places[0].difference("TD k=2", "FD").interval
            Interval(value=0.0121, low=0.0043, high=0.0199)
        """
        if label not in self.cells or other not in self.cells:
            return None
        return compare(self.cells[label].runs, self.cells[other].runs)


@dataclass(frozen=True)
class Task:
    """What was learned: training images of a seed, evaluation images, and names of the classes."""

    name: str
    n_train: int
    n_test: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class ImageSummary:
    """All numbers of a report.

    Attributes:
        labels: in column order.
        tasks: in order of first appearance.
        places: the tasks, then the means over them: over all tasks, for the labels that have runs
            in each, and over those tasks where every student has runs, if these are fewer and at
            least two.
        costs: medians over runs, by label.
        alignments: by task and label, where a run has CKA.
    """

    labels: tuple[Label, ...]
    tasks: tuple[Task, ...]
    places: tuple[Place, ...]
    costs: Mapping[str, Cost]
    alignments: Mapping[str, Mapping[str, Alignment]]

    @property
    def students(self) -> tuple[Label, ...]:
        """The labels that are students."""
        return tuple(label for label in self.labels if label.is_student)

    @property
    def distilled(self) -> tuple[Label, ...]:
        """The students that learned from the teacher, too."""
        return tuple(label for label in self.labels if label.is_distilled)

    @property
    def of_tasks(self) -> tuple[Place, ...]:
        """The places that are tasks."""
        return self.places[: len(self.tasks)]

    @property
    def means(self) -> tuple[Place, ...]:
        """The places that are means over tasks."""
        return self.places[len(self.tasks) :]

    @property
    def most_runs(self) -> int:
        """The most runs of a label at a task; one with fewer is unfinished."""
        return max(cell.n for place in self.of_tasks for cell in place.cells.values())

    @property
    def teacher_cost(self) -> Cost | None:
        """The teacher's costs, if it has a row."""
        return next((self.costs[x.name] for x in self.labels if x.method == "teacher"), None)


def summarise_images(rows: Sequence[Row]) -> ImageSummary:
    """Turns rows into the numbers of the report; the module's docstring has the equations.

    Args:
        rows: one a run, with `task`, `method`, `label`, `accuracy` (None or NaN if it diverged),
            `n_train`, `n_test`, and where known `seed`, `classes`, `cka` (by class, state of the
            student and state of the teacher) and costs. Tasks may lack methods. Of rows with the
            same task, label, seed and key the last counts.

    Returns:
        The `ImageSummary`.

    Raises:
        ValueError: no rows, a row without a needed field, an accuracy that is no share, a label
            with two methods, or two different runs under one task, label and seed.
        ImportError: there are intervals to compute and SciPy is missing.

    Example:
        >>> summarise_images(rows).places[0].cells["TD k=2"].scratch.verdict
        'better'
    """
    labels, runs = group_runs(rows, "task", "accuracy")
    for row in rows:
        if not 0 <= finite(row["accuracy"]) <= 1 and not math.isnan(finite(row["accuracy"])):
            raise ValueError(
                "accuracy must be the share of evaluation images that are right, 0 to 1. Received: "
                f"{row['accuracy']!r} of {row['label']!r} in {row['task']!r}. Divide percent by "
                "100, and counts by n_test."
            )
    places = [_task_place(name, by_label, labels) for name, by_label in runs.items()]
    complete = [p for p in places if all(x.name in p.cells for x in labels if x.is_student)]
    means = [_mean_place(places, f"Mean of {len(places)} tasks", labels)]
    if len(complete) < len(places):
        means.append(_mean_place(complete, f"Mean of {len(complete)} common tasks", labels))
    return ImageSummary(
        labels=labels,
        tasks=tuple(_task(name, by_label) for name, by_label in runs.items()),
        places=(*places, *(mean for mean in means if len(mean.tasks) > 1 and mean.cells)),
        costs=costs_by_label(rows, labels),
        alignments={
            name: found
            for name, by_label in runs.items()
            if (found := alignments(by_label, labels))
        },
    )


def compare(one: Accuracies, other: Accuracies) -> Difference | None:
    """One label minus another, over the seeds that both have.

    Args:
        one, other: their accuracies by seed.

    Returns:
        The difference; None where no seed has both, or one of the runs diverged.

    Raises:
        ImportError: there are two seeds or more, and SciPy is missing.

    Example:
        >>> compare({0: 0.71, 1: 0.73}, {0: 0.70, 1: 0.71}).value
        0.015
    """
    differences = [one[seed] - other[seed] for seed in one if seed is not None and seed in other]
    if not differences or not np.isfinite(differences).all():
        return None
    value, error = mean_and_error(differences)
    if error is None:
        return Difference(value, None, 1)
    half = t_quantile(len(differences) - 1) * error
    return Difference(value, Interval(value, value - half, value + half), len(differences))


def t_quantile(degrees: int) -> float:
    """The 97.5% quantile of Student's t.

    Args:
        degrees: of freedom: seeds less one.

    Raises:
        ImportError: SciPy is missing.

    Example:
        >>> round(t_quantile(4), 3)
        2.776
    """
    try:
        from scipy.special import stdtrit
    except ImportError as error:
        raise ImportError(
            "Intervals over seeds take Student's t from SciPy, which is missing. Install: "
            "pip install 'tdrec[images]'"
        ) from error
    return float(stdtrit(degrees, 0.975))


# Parts -------------------------------------------------------------------------------------


def _task(name: str, by_label: Mapping[str, Runs]) -> Task:
    rows = [row for runs in by_label.values() for row in runs.values()]
    classes = tuple(str(x) for x in first(rows, "classes", ()))
    return Task(name, rows[0]["n_train"], rows[0]["n_test"], classes)


def _task_place(name: str, by_label: Mapping[str, Runs], labels: Sequence[Label]) -> Place:
    accuracies = {
        label: {seed: finite(row["accuracy"]) for seed, row in runs.items()}
        for label, runs in by_label.items()
    }
    return _place(name, (name,), accuracies, labels)


def _mean_place(places: Sequence[Place], name: str, labels: Sequence[Label]) -> Place:
    """The mean at the seeds that a label has in every task; labels without one are left out."""
    accuracies = {}
    for label in labels:
        found = [p.cells[label.name].runs if label.name in p.cells else {} for p in places]
        seeds = [seed for seed in found[0] if all(seed in runs for runs in found)] if found else []
        if seeds:
            accuracies[label.name] = {
                seed: float(np.mean([runs[seed] for runs in found])) for seed in seeds
            }
    return _place(name, tuple(place.name for place in places), accuracies, labels)


def _place(
    name: str,
    tasks: tuple[str, ...],
    accuracies: Mapping[str, Accuracies],
    labels: Iterable[Label],
) -> Place:
    known = [label for label in labels if label.name in accuracies]
    means = {label: mean_and_error(list(accuracies[label.name].values())) for label in known}
    students = {x: mean for x, (mean, _) in means.items() if x.is_student and math.isfinite(mean)}
    best = max(students, key=lambda label: students[label]) if students else None
    scratch = next((label.name for label in known if label.method == "scratch"), None)
    cells = {
        label.name: Cell(
            runs=accuracies[label.name],
            accuracy=mean,
            se=error if error is not None and math.isfinite(error) else None,
            scratch=compare(accuracies[label.name], accuracies[scratch])
            if scratch and label.is_distilled
            else None,
            best=label == best,
        )
        for label, (mean, error) in means.items()
    }
    return Place(name, tasks, cells)
