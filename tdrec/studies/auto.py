"""Auto: the method that is shown to be best on validation rows, for each task anew.

Which method helps depends on the task and on the teacher, and where none is shown to help, none
should be used. It is a plan of its own: each method once, with one seed, on training rows alone;
then `tdrec.studies.comparison.choose` among them, over users at that one seed, with scratch as what
one has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tdrec.studies.comparison import Scores, choose
from tdrec.studies.metric import Metric
from tdrec.studies.row import Row


@dataclass(frozen=True)
class Choice:
    """What was chosen for a task.

    Attributes:
        task: Its name.
        label: The arm that was chosen.
        method: Its method.
        values: The value of each label on the validation rows; None where it diverged.
    """

    task: str
    label: str
    method: str
    values: dict[str, float | None]


def choices(rows: Sequence[Row], metric: Metric) -> list[Choice]:
    """What is chosen for each task.

    Args:
        rows: Of students, one for each task and label, on validation rows.
        metric: Theirs.

    Raises:
        ValueError: If all students of a task diverged.

    Example:
        >>> from tdrec.studies.metric import RMSE
        >>> of_one_seed = [row for row in rows if row.seed == 0]
        >>> [(choice.task, choice.method) for choice in choices(of_one_seed, RMSE)]
        [('Drama', 'td'), ('Comedy', 'td')]
    """
    found = []
    for task in dict.fromkeys(row.place for row in rows):
        students = {row.label: row for row in rows if row.place == task and row.is_student}
        base = next(label for label, row in students.items() if row.method == "scratch")
        scores = {
            label: None if row.value is None else Scores.of([row], metric)
            for label, row in students.items()
        }
        label = choose(scores, base, metric)
        values = {label: row.value for label, row in students.items()}
        found.append(Choice(task, label, students[label].method, values))
    return found
