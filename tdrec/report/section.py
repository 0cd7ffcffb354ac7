"""A section of a report: the rows of one preset and setting, and all comparisons among them.

The idea: runs are compared within one preset and one setting, and never across. A place of a
section is a task, or a mean over tasks; at each place every student is compared, by the one rule of
`tdrec.studies.comparison`, with scratch, with the bias model, with the best of the other methods
and, if it is a variant, with its method's default. Whatever a report says or draws is read here.

Example:
    >>> from tdrec.studies.metric import RMSE
    >>> (section,) = make_sections(rows, RMSE)
    >>> section.versus["scratch"]["Drama", "TD k=2"].verdict
    'better'
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tdrec.studies.arm import NAMES
from tdrec.studies.comparison import Comparison, Estimate, Scores, compare, recovered
from tdrec.studies.metric import Metric
from tdrec.studies.row import REFERENCES, Row

Kind = Literal["scratch", "bias", "best", "default"]
"""What a student is compared with: the student from scratch, the bias model, the best of the other
methods at that place, or its method with the preset's arguments."""

Means = Callable[[Sequence[Row]], Mapping[str, Sequence[str]]]
"""From a section's rows to further means: their names, "Mean of the four sparsest genres", and
their tasks."""


@dataclass(frozen=True)
class Label:
    """A column: an arm by the name that reports give it.

    Attributes:
        name: Of the arm.
        method: Its method's short name.
        variant: Whether it differs from its method with the preset's arguments.
    """

    name: str
    method: str
    variant: bool = False

    @property
    def is_student(self) -> bool:
        """Whether it is no reference."""
        return self.method not in REFERENCES

    @property
    def is_distilled(self) -> bool:
        """Whether it is a student that a teacher had a part in."""
        return self.is_student and self.method != "scratch"


@dataclass(frozen=True)
class Value:
    """What one label has at one place.

    Attributes:
        mean: Over seeds; None if a run diverged.
        error: Its standard error; None with one seed.
        runs: How many seeds there are; at a mean over tasks, those that all its tasks have.
        diverged: How many of them have no value.
    """

    mean: float | None
    error: float | None
    runs: int
    diverged: int = 0


class Section:
    """All that may be compared.

    Args:
        rows: Of one preset and setting.
        metric: What they are judged by.
        means: Further means, as tasks by name; those that lack a task are left out.

    Attributes:
        preset, setting: As the rows have them.
        labels: In column order: by method, and then by name.
        tasks: The largest first, by training rows.
        means: The tasks of each mean: of all tasks; of those on which every student has a finite
            result, if these are fewer and at least two; and the further ones.
        runs: The row of each seed, by task and label.
        versus: The comparisons of each kind, by place and label, as far as both have a value.
        recovered: The share of the gap between scratch and teacher that a student makes up, by
            place and label, where the teacher is shown to be better than scratch.

    Raises:
        ValueError: If a label stands for two arms, or two runs have one task, label and seed.
    """

    def __init__(
        self, rows: Sequence[Row], metric: Metric, means: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.metric, self.preset, self.setting = metric, rows[0].preset, rows[0].setting
        self.labels = _labels(rows)
        self.runs = _runs(rows)
        sizes = {row.place: row.n_train for row in rows}
        self.tasks = tuple(sorted(sizes, key=lambda task: -sizes[task]))
        self._scores: dict[tuple[str, str], Scores | None] = {}
        self._further = means or {}
        self.versus: dict[Kind, dict[tuple[str, str], Comparison]]
        self.versus = {"scratch": {}, "bias": {}, "best": {}, "default": {}}
        self.recovered: dict[tuple[str, str], Estimate] = {}
        for place in self.places:  # place by place, since its resamples serve all labels
            self._compare(place)

    @property
    def title(self) -> str:
        """Its name: "Strong preset: 10% of the rows"."""
        return f"{self.preset.capitalize()} preset" + (f": {self.setting}" if self.setting else "")

    @property
    def rows(self) -> list[Row]:
        """Its rows, each run once."""
        return [row for runs in self.runs.values() for row in runs.values()]

    @property
    def students(self) -> tuple[Label, ...]:
        """The labels that are students."""
        return tuple(label for label in self.labels if label.is_student)

    @property
    def distilled(self) -> tuple[Label, ...]:
        """The students that a teacher had a part in."""
        return tuple(label for label in self.labels if label.is_distilled)

    @cached_property
    def _standard(self) -> dict[str, tuple[str, ...]]:
        every, students = self.tasks, [label.name for label in self.students]
        common = tuple(t for t in every if all(self.scores(t, name) for name in students))
        found = {f"Mean of {len(every)} tasks": every}
        if len(common) < len(every):
            found[f"Mean of {len(common)} common tasks"] = common
        return {name: tasks for name, tasks in found.items() if len(tasks) > 1}

    @cached_property
    def means(self) -> dict[str, tuple[str, ...]]:
        """The tasks of each mean."""
        further = {name: tuple(tasks) for name, tasks in self._further.items()}
        known = {name: of for name, of in further.items() if of and set(of) <= set(self.tasks)}
        return self._standard | known

    @property
    def overall(self) -> tuple[str, ...]:
        """Where a student is judged: the standard means, the widest first, or the one task."""
        return tuple(self._standard) or self.tasks[:1]

    @property
    def places(self) -> tuple[str, ...]:
        """Its tasks, then its means."""
        return (*self.tasks, *self.means)

    def by_method(self, method: str) -> Label | None:
        """The label of a method with its default arguments; None if there is none."""
        found = (label for label in self.labels if label.method == method and not label.variant)
        return next(found, None)

    def rows_of(self, label: str, task: str | None = None) -> list[Row]:
        """The rows of a label, on one task or on all."""
        tasks = self.tasks if task is None else (task,)
        return [row for x in tasks for row in self.runs.get((x, label), {}).values()]

    @property
    def rounds(self) -> dict[str, int]:
        """The rounds of communication of TD's labels, by name."""
        rows = [row for row in self.rows if row.method == "td"]
        return {row.label: row.arguments["rounds"] for row in rows if "rounds" in row.arguments}

    def scores(self, task: str, label: str) -> Scores | None:
        """What comparisons are made of; None without runs, and if one of them diverged."""
        if (task, label) not in self._scores:
            rows = list(self.runs.get((task, label), {}).values())
            known = bool(rows) and all(row.status == "ok" for row in rows)
            self._scores[task, label] = Scores.of(rows, self.metric) if known else None
        return self._scores[task, label]

    def value(self, place: str, label: str) -> Value | None:
        """What a label has at a place; None without runs, and at a mean if one of them diverged."""
        runs = [self.runs.get((task, label), {}) for task in self.means.get(place, (place,))]
        seeds = [seed for seed in runs[0] if all(seed in of for of in runs)]
        diverged = sum(row.value is None for of in runs for row in of.values())
        if diverged and len(runs) == 1:
            return Value(None, None, len(seeds), diverged)
        if diverged or not seeds:
            return None
        values = np.array([[of[seed].value for seed in seeds] for of in runs], float).mean(0)
        error = float(values.std(ddof=1) / len(seeds) ** 0.5) if len(seeds) > 1 else None
        return Value(float(values.mean()), error, len(seeds))

    def best(self, place: str, labels: Sequence[Label]) -> Label | None:
        """The one of several labels with the best value at a place; None if none has any."""
        values = {label: self.value(place, label.name) for label in labels}
        known = {x: found.mean for x, found in values.items() if found and found.mean is not None}
        return max(known, key=lambda x: self.metric.sign * known[x]) if known else None

    def overall_versus(self, kind: Kind, label: str) -> Comparison | None:
        """A label's comparison in the widest mean that has it."""
        compared = self.versus[kind]
        return next((compared[p, label] for p in self.overall if (p, label) in compared), None)

    def by_task(self, kind: Kind, label: str) -> dict[str, Comparison]:
        """A label's comparisons by task."""
        compared = self.versus[kind]
        return {task: compared[task, label] for task in self.tasks if (task, label) in compared}

    def _compare(self, place: str) -> None:
        scratch, teacher = self.by_method("scratch"), self.by_method("teacher")
        for label in self.students:
            for kind, other in self._others(place, label):
                pairs = self._scores_of(place, label, other)
                names = {"place": place, "label": label.name, "other": other.name if other else ""}
                if pairs and (found := compare(pairs, self.metric, **names)):
                    self.versus[kind][place, label.name] = found
            triples = self._scores_of(place, label, scratch, teacher)
            share = recovered(triples, self.metric) if triples and label.is_distilled else None
            if share:
                self.recovered[place, label.name] = share

    def _others(self, place: str, label: Label) -> Iterator[tuple[Kind, Label | None]]:
        yield "bias", self.by_method("bias")
        if label.variant:
            yield "default", self.by_method(label.method)
        if label.is_distilled:
            yield "scratch", self.by_method("scratch")
            others = [x for x in self.distilled if x.method != label.method]
            yield "best", self.best(place, others or [x for x in self.distilled if x != label])

    def _scores_of(self, place: str, *labels: Label | None) -> list[Any]:
        """The scores of several labels on each task of a place; none if one of them lacks any."""
        found = [
            tuple(self.scores(task, label.name) if label else None for label in labels)
            for task in self.means.get(place, (place,))
        ]
        return [] if any(None in scores for scores in found) else found


def make_sections(
    rows: Sequence[Row], metric: Metric, means: Means | None = None
) -> tuple[Section, ...]:
    """The sections of a report, by preset and setting.

    Args:
        rows: Of one study, finished or not. Of rows with the same task, label, seed and key the
            last counts.
        metric: What they are judged by.
        means: Further means of a section's rows. Default: none.

    Returns:
        The sections by preset; of a preset first the one without a setting, then those whose
        setting begins with a number by it, then the others as they come.

    Raises:
        ValueError: If there are no rows, rows of several studies or metrics, or what `Section`
            refuses.
    """
    if not rows:
        raise ValueError("A report needs at least one row. Received: none. Run a study first.")
    studies, metrics = {row.study for row in rows}, {row.metric for row in rows}
    if len(studies) > 1 or metrics != {metric.name}:
        raise ValueError(
            f"A report shows one study, judged by {metric.name}. Received: rows of "
            f"{', '.join(sorted(studies))} by {', '.join(sorted(metrics))}. Give each study a "
            "folder of its own."
        )
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.preset, row.setting), []).append(row)
    order = sorted(groups, key=lambda group: (group[0], group[1] != "", _leading(group[1])))
    return tuple(Section(groups[x], metric, means(groups[x]) if means else None) for x in order)


def _leading(setting: str) -> float:
    found = re.match(r"\d+(\.\d+)?", setting)
    return float(found[0]) if found else float("inf")


def _labels(rows: Sequence[Row]) -> tuple[Label, ...]:
    labels: dict[str, Label] = {}
    for row in rows:
        label = Label(row.label, row.method, row.variant)
        if labels.setdefault(row.label, label) != label:
            raise ValueError(
                f"A label must stand for one arm. Received: {row.label!r} for {label} and "
                f"{labels[row.label]}. Give the arms different labels."
            )
    order = list(NAMES)
    place = {name: order.index(x.method) if x.method in order else 99 for name, x in labels.items()}
    return tuple(sorted(labels.values(), key=lambda label: (place[label.name], label.name)))


def _runs(rows: Sequence[Row]) -> dict[tuple[str, str], dict[int | None, Row]]:
    runs: dict[tuple[str, str], dict[int | None, Row]] = {}
    for row in rows:
        seeds = runs.setdefault((row.place, row.label), {})
        same_arm = next(iter(seeds.values()), row).arguments == row.arguments
        if not same_arm or seeds.setdefault(row.seed, row).key != row.key:
            raise ValueError(
                "Task, label and seed must name one run, and a label one arm. Received: different "
                f"runs of {row.place!r}, {row.label!r}, seed {row.seed}. Give their settings "
                "different labels."
            )
        seeds[row.seed] = row
    return runs
