"""Auto: the method that is shown to be best on validation rows, for each task anew.

Which method helps depends on the task and on the teacher, and where none is shown to help, none
should be used. It is a plan of its own: each method once, with one seed, on training rows alone, at
several points of time where rows have times (`Task.rolling`), since one period is not like the
next; then `tdrec.studies.comparison.choose` among them in the mean of these, over users at that one
seed, with scratch as what one has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

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
        values: The value of each label on the validation rows, in the mean of the points of time;
            None where it diverged.
        periods: How many points of time there were.
    """

    task: str
    label: str
    method: str
    values: dict[str, float | None]
    periods: int = 1


def choices(
    rows: Sequence[Row], metric: Metric, periods: Mapping[str, Sequence[str]] | None = None
) -> list[Choice]:
    """What is chosen for each task.

    Args:
        rows: Of students, one for each validation task and label.
        metric: Theirs.
        periods: For each task the names of those that it is chosen by. Default None: each by
            itself.

    Raises:
        ValueError: If all students of a task diverged.

    Example:
        >>> from tdrec.studies.metric import RMSE
        >>> of_one_seed = [row for row in rows if row.seed == 0]
        >>> [(choice.task, choice.method) for choice in choices(of_one_seed, RMSE)]
        [('Drama', 'td'), ('Comedy', 'td')]
    """
    found = []
    for task, names in (periods or {row.place: [row.place] for row in rows}).items():
        students: dict[str, list[Row]] = {}
        for name in names:
            for row in rows:
                if row.place == name and row.is_student:
                    students.setdefault(row.label, []).append(row)
        base = next(label for label, of in students.items() if of[0].method == "scratch")
        finite = {x: of for x, of in students.items() if all(r.value is not None for r in of)}
        scores = {
            label: [Scores.of([row], metric) for row in of] if label in finite else None
            for label, of in students.items()
        }
        label = choose(scores, base, metric)
        values = {
            label: mean(float(row.value or 0) for row in of) if label in finite else None
            for label, of in students.items()
        }
        found.append(Choice(task, label, students[label][0].method, values, len(names)))
    return found
