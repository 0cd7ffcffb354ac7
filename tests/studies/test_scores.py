"""Tests of scores, as they are given and as they are read from rows."""

import math

import numpy as np
import pytest

from small_scores import RECALL
from tdrec.studies.comparison import Scores
from tdrec.studies.metric import ACCURACY, RMSE
from tdrec.studies.row import Data, Row, Units

GOOD = {
    "seeds": (0,),
    "values": [1.0],
    "ids": [1, 2],
    "rows": [1, 2],
    "sums": [[1.0], [2.0]],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": (0, 0)}, r"each seed once.*Received: \(0, 0\). Give runs"),
        ({"seeds": (0, None)}, r"or the one run None. Received: \(0, None\)"),
        ({"seeds": (), "values": []}, r"at least 1 seed. Received: shape \(0,\)"),
        ({"values": [1.0, 2.0]}, r"shape \(2,\), 2 of them finite, for seeds \(0,\). Leave"),
        ({"values": [math.nan]}, r"shape \(1,\), 0 of them finite"),
        ({"rows": [1]}, r"must have shape.*Received: \(2,\), \(1,\), \(2, 1\) for 1 seeds. Put"),
        ({"sums": [1.0, 2.0]}, r"Received: \(2,\), \(2,\), \(2,\) for"),
        ({"sums": [[1.0, 1.0], [2.0, 2.0]]}, r"\(2, 2\) for 1 seeds"),
        ({"ids": [1, 1]}, "each of them once. Received: 1 different users in 2 lines. Add up"),
        ({"ids": [1], "rows": [3], "sums": [[1.0]]}, "at least 2 users.*Received: 1 different"),
        ({"rows": [1, 0]}, "at least 1 row.*Received: rows from 0.*Leave out users"),
        ({"sums": [[1.0], [math.nan]]}, "finite sums. Received: .*up to nan"),
        ({"sums": [[1.0], [math.inf]]}, "up to inf"),
    ],
)
def test_scores_that_cannot_be_are_refused(changes, message):
    given_ = {k: v if k == "seeds" else np.array(v) for k, v in (GOOD | changes).items()}
    with pytest.raises(ValueError, match=message):
        Scores(**given_)


def row(seed=0, sums=(4.0, 5.0), rows=(2, 7), ids=("a", "b"), **changes):
    fields = {
        "study": "table3",
        "task": "War",
        "metric": "rmse",
        "value": 1.0,
        "method": "td",
        "label": "TD k=2",
        "preset": "strong",
        "setting": "",
        "seed": seed,
        "status": "ok",
        "n_train": 90,
        "n_test": 9,
        "key": f"{seed}",
        "data": Data("small", "ab", 100, 10),
        "units": Units(ids, rows, sums),
    }
    return Row(**fields | changes)


def test_scores_are_read_from_rows():
    found = Scores.of([row(4, (0.0, 9.0)), row(2, (10.0, 12.25), value=1.5723)], RMSE)
    assert found.seeds == (4, 2) and found.ids.tolist() == ["a", "b"]
    assert found.rows.tolist() == [2, 7]
    assert found.sums.tolist() == [[0.0, 10.0], [9.0, 12.25]]
    assert found.mean == pytest.approx((1 + 1.5723) / 2)
    alone = Scores.of([row(None, value=0.7, metric="accuracy", method="teacher")], ACCURACY)
    assert alone.seeds == (None,) and alone.sums is None
    recall = Scores.of([row(0, (2.0, 1.0), value=1 / 3, metric="recall")], RECALL)
    assert recall.mean == pytest.approx(1 / 3)
    assert Scores.of([row(sums=(0.0, 0.0), value=0.0)], RMSE).mean == 0.0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"one label on one task.*with rmse. Received: \[\]. Leave out"),
        ([row(), row(1, label="LD")], r"Received: \[\('LD', 'War', 'rmse', 'ok'\), \('TD k=2'"),
        ([row(), row(1, task="Drama")], "'Drama'.*'War'"),
        ([row(metric="accuracy")], "with rmse. Received: .*'accuracy'"),
        ([row(), row(1, value=None, status="diverged")], "'diverged'.*runs that diverged"),
        ([row(), row(0)], r"each seed once.*Received: \(0, 0\)"),
        (
            [row(), row(1, units=None)],
            "must have units.*Received: 1 of 2 runs of 'TD k=2' on 'War'",
        ),
        ([row(), row(1, ids=("a", "c"))], "of 2 sets of users"),
        ([row(), row(1, rows=(3, 6))], "of 2 sets of users"),
        ([row(), row(1, sums=(9.0,))], "of 2 sets of users"),
        ([row(sums=(-1.0, 10.0))], "under a root must be at least 0. Received: -1.0 for rmse"),
        ([row(value=1.001)], "give the row's rmse. Received: 1.000000 from units and 1.001000 as"),
        (
            [row(), row(1, value=1.001), row(2, (40.0, 50.0), value=math.sqrt(10))],
            "Received: 1.000000 from units and 1.001000 as rmse of 'TD k=2' on 'War'",
        ),
    ],
)
def test_rows_that_make_no_scores_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Scores.of(rows, RMSE)
