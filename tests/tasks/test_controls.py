"""Tests of teachers that should not help: what of the teacher they keep, and what not."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from small_movielens import SMALL
from tdrec.distill.cut import split_model
from tdrec.distill.methods import get
from tdrec.distill.model_split import Trace
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.studies.plan import find
from tdrec.tasks.controls import of_other_rows, randomly_interpreting
from tdrec.tasks.ratings.config import PRESETS


@pytest.mark.parametrize("rows", [2, 7, 50])
def test_each_row_gets_another_rows_targets_of_its_own_variant(rows):
    numbers = np.arange(3 * rows)
    found = of_other_rows(Trace(None, numbers[:, None], 10.0 * numbers), 3)
    assert found.low is None
    np.testing.assert_array_equal(found.prediction, 10.0 * found.high[:, 0])
    order = found.high[:, 0]
    assert sorted(order) == numbers.tolist()
    assert (order != numbers).all()
    np.testing.assert_array_equal(order // rows, numbers // rows)
    # In every variant it is the same other row, and the same in every call.
    np.testing.assert_array_equal(order % rows, np.tile(order[:rows], 3))
    np.testing.assert_array_equal(of_other_rows(Trace(numbers, None, None), 3).low, order)


def test_a_random_middle_interprets_and_the_traces_stay(session):
    teacher = session.teacher_model("War", SMALL)
    split = split_model(teacher, LOW, HIGH)
    before = teacher.get_weights()
    control = randomly_interpreting(teacher, split)
    x = {name: values[:5] for name, values in session.segment("War", SMALL).teacher_train.items()}
    for mine, its in zip(control(x), split(x), strict=True):
        np.testing.assert_array_equal(mine, its)
    for mine, its in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, its)
    units = SMALL.teacher.model.units[0]
    low = np.abs(np.random.default_rng(0).normal(size=(5, units))).astype("f4")
    interpreted = np.array(control.interpret(low))
    assert interpreted.shape == split.interpret(low).shape
    assert np.abs(interpreted - np.array(split.interpret(low))).max() > 0.01
    keras.utils.set_random_seed(7)
    again = randomly_interpreting(teacher, split)
    np.testing.assert_array_equal(interpreted, again.interpret(low))
    assert control.shapes == split.shapes and control.cut == split.cut


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        pytest.param("td", {"random_interpreter": True}, marks=pytest.mark.long),
        ("ld", {"shuffled_targets": True}),
    ],
)
def test_controls_change_the_student_and_not_the_teacher(session, war, method, changes):
    plain = session.run(war, SMALL, method, 0)
    control = replace(SMALL, **changes)
    assert session.teacher_file("War", control) == session.teacher_file("War", SMALL)
    assert session.teacher(war, control) == session.teacher(war, SMALL)
    assert session.run(war, control, method, 0).score.value != plain.score.value
    if method == "ld":  # which compiles faster
        after = session.run(war, SMALL, method, 0)
        assert after.score == plain.score and after.facts["curve"] == plain.facts["curve"]


def test_fd_of_the_study_has_the_parameters_of_td():
    config = PRESETS["strong"]
    shapes = [
        Trace(*((None, width) for width in (*model.units, 1)))
        for model in (config.student, config.teacher.model)
    ]
    counts = {}
    for arm in find("controls")[1].arms:
        if arm.method in ("fd", "td"):
            method = get(arm.method, **{**config.arguments(arm.method), **arm.arguments})
            method.build(*shapes)
            counts[arm.name] = sum(int(np.prod(v.shape)) for v in method.trainable_variables)
    assert counts["FD as large as TD"] == pytest.approx(counts["TD k=2"], rel=0.01)
    assert counts["FD"] < 0.6 * counts["TD k=2"]
