import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, small_model, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.fingerprint import fingerprint
from tdrec.distill.model_split import Trace
from tdrec.distill.predictor import Predictor
from tdrec.distill.several_teachers import (
    Teachers,
    as_source,
    as_teacher,
    each_of,
    joined,
    of_teacher,
)

X, _ = inputs_and_ratings()


def test_each_trace_is_found_by_the_name_of_its_teacher():
    first, second = student_and_teacher()
    several = as_teacher([first, second.model])
    trace, middle = several.run(X)
    for mine, its in zip(of_teacher(trace, "teacher_1"), first(X), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert of_teacher(trace, "teacher_2").low is None
    np.testing.assert_array_equal(trace.prediction["teacher_2"], second(X).prediction)
    for interpret in (middle, several.interpreter(X)):
        high = interpret.of("teacher_1")(trace.low["teacher_1"])
        np.testing.assert_array_equal(high, trace.high["teacher_1"])
        with pytest.raises(ValueError, match="has no states"):
            interpret.of("teacher_2")(trace.low["teacher_1"])


def test_shapes_are_known_when_those_of_all_are():
    split, _ = student_and_teacher()
    assert Teachers([split]).shapes == joined({"teacher_1": split.shapes})
    several = Teachers([split, lambda x: 2 * x])
    assert several.shapes is None
    several(X)
    assert several.shapes.prediction == {"teacher_1": (None, 1), "teacher_2": (None, 3)}


def test_layers_of_one_model_are_listed_once():
    model = small_model()
    splits = [split_model(model, "low", "high"), Predictor(model)]
    assert Teachers(splits).layers == (model,)


def test_what_none_shows_is_none():
    trace = joined({"a": Trace(None, None, 1), "b": Trace(None, None, None)})
    assert trace == Trace(None, None, {"a": 1})
    assert of_teacher(trace, "b") == Trace(None, None, None)


def test_a_fingerprint_is_of_all_in_their_order():
    first, second = student_and_teacher()
    prints = {fingerprint(Teachers(s)) for s in ([first], [first, second], [second, first])}
    assert len(prints | {fingerprint(first)}) == 4
    assert fingerprint(Teachers([first, second])) in prints


def test_one_is_itself():
    split, _ = student_and_teacher()
    assert as_teacher(split) is split
    assert each_of(split) == (split,)
    assert as_source(split) is split
    assert as_source(None) is None


def test_what_is_no_teacher_is_refused_by_its_place():
    with pytest.raises(TypeError, match=r"`teacher\[1\]` must be a ModelSplit"):
        as_teacher([keras.layers.Dense(1), "teacher.keras"])
    with pytest.raises(ValueError, match="no rooms in common"):
        as_teacher([keras.layers.Dense(1)]).interpret(X)
