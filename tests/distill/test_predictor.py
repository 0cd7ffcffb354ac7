import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, numpy_trace, small_model, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.output_kind import last_activation
from tdrec.distill.predictor import Predictor
from tdrec.distill.teacher_targets import TeacherTargets

X, Y = inputs_and_ratings(rows=20)


def test_its_trace_is_the_prediction_alone():
    model = small_model()
    teacher = Predictor(model)
    assert isinstance(teacher, ModelSplit)
    assert Predictor(model.call).shapes is None  # of a function they are not known before
    trace = teacher(X)
    np.testing.assert_allclose(trace.prediction, numpy_trace(model, X)[2], rtol=1e-5)
    assert trace[:2] == (None, None)
    assert tuple(teacher.shapes) == (None, None, (None, 1))
    assert teacher.layers == (model,)


def test_a_sequential_model_is_known_before_it_runs():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    teacher = Predictor(model)
    assert teacher.shapes.prediction == (None, 2)
    assert last_activation(teacher) == "softmax"


def test_it_sees_what_its_input_map_takes():
    teacher = Predictor(lambda x: 2 * x, input_map=lambda x: x["big"])
    np.testing.assert_array_equal(teacher({"big": X, "small": Y}).prediction, 2 * X)


def test_one_output_of_several_is_distilled():
    teacher = Predictor(lambda x: {"score": 2 * x, "other": x}, output="score")
    trace = teacher(X)
    assert set(trace.prediction) == {"score", "other"}
    np.testing.assert_array_equal(teacher.distilled(trace).prediction, 2 * X)
    assert teacher.shapes.prediction == (None, 3)
    nameless = Predictor(lambda x: {"score": 2 * x, "other": x})
    nameless(X)
    assert nameless.shapes.prediction == {"score": (None, 3), "other": (None, 3)}


def test_it_predicts_as_when_served():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dropout(0.5)(keras.layers.Dense(1)(inputs)))
    teacher = Predictor(model)
    np.testing.assert_array_equal(teacher(X).prediction, model(X))
    assert abs(teacher(X, training=True).prediction - model(X)).numpy().max() > 0


def test_its_targets_are_kept_by_its_weights():
    model = small_model()
    teacher, targets = Predictor(model), TeacherTargets()
    first = targets(teacher, X)
    assert first.low is first.high is None
    assert targets(Predictor(model), X) is first
    model.get_layer("out").bias.assign_add([1.0])
    np.testing.assert_allclose(targets(teacher, X).prediction, first.prediction + 1, rtol=1e-5)


@pytest.mark.parametrize("stored", [False, True])
def test_label_distillation_is_that_of_the_whole_split(stored):
    ends = []
    for whole in (True, False):
        student, split = student_and_teacher()
        teacher = split if whole else Predictor(split.layers[0])
        distiller = Distiller(student, teacher, LabelDistillation())
        distiller.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=True)
        data = (distiller.with_teacher_targets((X, Y), batch_size=20),) if stored else (X, Y)
        distiller.fit(*data, batch_size=None if stored else 20, shuffle=False, verbose=0)
        ends.append(student.layers[0].get_weights())
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_nothing_is_interpreted_by_it():
    with pytest.raises(ValueError, match="has no states.*Use tdrec.LabelDistillation"):
        Predictor(small_model()).interpret(X)


def test_it_must_be_callable():
    with pytest.raises(TypeError, match="`predict` must be callable. Received: 'model'"):
        Predictor("model")
