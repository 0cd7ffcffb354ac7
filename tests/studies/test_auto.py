"""Tests of auto: the method that is shown to be best on validation rows, else scratch."""

import numpy as np
import pytest

from study_rows import make_row
from tdrec.studies.auto import Choice, choices
from tdrec.studies.metric import RMSE
from tdrec.studies.row import Units

USERS = 20


def row(task, label, sums):
    if sums is None:
        return make_row(task, label, value=None, reason="a loss was not finite")
    units = Units(list(range(USERS)), [1] * USERS, sums)
    return make_row(task, label, value=float(np.sqrt(np.mean(sums))), units=units)


@pytest.mark.parametrize(
    ("scratch", "ld", "chosen"),
    [
        ([1.0] * USERS, [0.9] * USERS, "ld"),  # better for every user
        ([1.0] * USERS, [1.1] * USERS, "scratch"),
        ([1.0] * USERS, [0.2, 1.7] * (USERS // 2), "scratch"),  # better in the mean, by chance
        (None, [1.1] * USERS, "ld"),
        ([1.0] * USERS, None, "scratch"),
    ],
)
def test_what_is_chosen(scratch, ld, chosen):
    squared = {"Scratch": scratch, "LD": ld}
    (found,) = choices([row("War", label, sums) for label, sums in squared.items()], RMSE)
    values = {k: v and pytest.approx(np.sqrt(np.mean(v))) for k, v in squared.items()}
    label = {"ld": "LD", "scratch": "Scratch"}[chosen]
    assert found == Choice("War", label, chosen, values)


def test_each_task_is_chosen_for_alone_and_references_are_no_choice():
    rows = [
        row("War", "Bias", [0.1] * USERS),
        row("War", "Teacher", [0.1] * USERS),
        row("War", "Scratch", [1.0] * USERS),
        row("War", "LD", [0.9] * USERS),
        row("Drama", "Scratch", [0.9] * USERS),
        row("Drama", "LD", [1.0] * USERS),
    ]
    found = choices(rows, RMSE)
    assert [(each.task, each.method) for each in found] == [("War", "ld"), ("Drama", "scratch")]
    assert set(found[0].values) == {"Scratch", "LD"}


def test_where_all_diverged_there_is_no_choice():
    rows = [row("War", label, None) for label in ("Scratch", "LD")]
    with pytest.raises(ValueError, match="One of Scratch, LD must have finite predictions"):
        choices(rows, RMSE)


def test_several_periods_are_judged_in_their_mean():
    better, worse = [0.81] * USERS, [1.21] * USERS
    rows = [
        *(row("War", "Scratch", [1.0] * USERS), row("War", "LD", worse)),
        *(row("War until 60%", "Scratch", [1.0] * USERS), row("War until 60%", "LD", better)),
    ]
    names = ["War until 60%", "War"]
    (found,) = choices(rows, RMSE, {"War": names})
    values = {"Scratch": pytest.approx(1.0), "LD": pytest.approx((1.1 + 0.9) / 2)}
    assert found == Choice("War", "Scratch", "scratch", values, 2)
    rows[1] = row("War", "LD", [0.98] * USERS)  # now both are better, one by little
    assert choices(rows, RMSE, {"War": names})[0].method == "ld"
    rows[1] = row("War", "LD", None)
    (found,) = choices(rows, RMSE, {"War": names})
    assert (found.method, found.values["LD"]) == ("scratch", None)
