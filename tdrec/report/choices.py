"""What choosing each task's method on validation rows would have been worth: `auto`.

The idea: tuning leaves each student's figures on the validation rows. `auto` is, for each task, the
student with the best of them if it is shown to be better than scratch, and else scratch
(`tdrec.studies.comparison.choose`). It needs no training of its own. Its regret is by how much the
best student of the task, known only after the evaluation, is better.
"""

from dataclasses import dataclass

from tdrec.report.section import Section
from tdrec.studies.comparison import choose
from tdrec.studies.tuning import scores_of


@dataclass(frozen=True)
class Choice:
    """What `auto` takes on one task.

    Attributes:
        task: The task.
        label, best: The student that is taken, and the one with the best value.
        value: The taken one's, the mean over seeds.
        difference: That minus scratch's.
        regret: By how much the best one's value is better; at least 0.
    """

    task: str
    label: str
    best: str
    value: float
    difference: float
    regret: float


def choices(section: Section) -> list[Choice]:
    """The choices on the tasks on which every student was tuned and has a finite result.

    Args:
        section: Of a report; without users there is nothing to choose by.

    Example:
        >>> [(choice.task, choice.label) for choice in choices(section)]
        [('Drama', 'TD k=2'), ('Comedy', 'TD k=2')]
    """
    scratch, metric = section.by_method("scratch"), section.metric
    found = []
    for task in section.tasks if scratch and metric.unit == "user" else ():
        rows = {x.name: section.rows_of(x.name, task) for x in section.students}
        tuned = {name: next((r for r in of if r.validation), None) for name, of in rows.items()}
        values = {name: section.value(task, name) for name in rows}
        means = {name: x.mean for name, x in values.items() if x and x.mean is not None}
        if not scratch or None in tuned.values() or len(means) < len(rows):
            continue
        scores = {x: [scores_of(r.validation)] for x, r in tuned.items() if r and r.validation}
        label = choose(scores, scratch.name, metric)
        best = max(means, key=lambda name: metric.sign * means[name])
        regret = abs(means[best] - means[label])
        difference = means[label] - means[scratch.name]
        found.append(Choice(task, label, best, means[label], difference, regret))
    return found
