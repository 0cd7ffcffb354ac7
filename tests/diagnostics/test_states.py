import numpy as np
import pytest

import small_models
from tdrec.diagnostics.states import hidden_states
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FeatureDistillation, LabelDistillation, Scratch
from tdrec.distill.methods.multi_teacher import MultiTeacher
from tdrec.distill.methods.talking_models import TalkingModels
from tdrec.distill.predictor import Predictor
from tdrec.distill.teacher_targets import TeacherTargets, attach


def close(a, b):
    np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("method", [TalkingModels, FeatureDistillation])
def test_states_and_messages_are_those_of_the_models(method):
    student, teacher = small_models.student_and_teacher()
    distiller = Distiller(student, teacher, method(message_dim=3, hidden_dim=4))
    small_models.randomise(distiller.method, 0)
    x, _ = small_models.inputs_and_ratings(11)
    both = hidden_states(distiller, x, batch_size=4)
    for split, found, name in zip((student, teacher), both, ("student", "teacher"), strict=True):
        low, high, prediction = small_models.numpy_trace(split.layers[0], x)
        close(found["low"], low)
        close(found["high"], high)
        close(found["prediction"], prediction)
        encoder = getattr(distiller.method, f"{name}_encoder")
        close(found["message"], encoder(low.astype("float32"), high.astype("float32")))
        assert set(found) == {"low", "high", "prediction", "message"}


def test_without_encoders_there_are_no_messages_and_without_a_teacher_nothing_of_one():
    student, teacher = small_models.student_and_teacher()
    x, _ = small_models.inputs_and_ratings()
    both = hidden_states(Distiller(student, teacher, LabelDistillation()), x)
    assert [set(states) for states in both] == [{"low", "high", "prediction"}] * 2
    assert hidden_states(Distiller(student, None, Scratch()), x)[1] == {}


def test_a_predictor_shows_its_prediction_alone():
    student, teacher = small_models.student_and_teacher()
    x, _ = small_models.inputs_and_ratings()
    predictor = Predictor(teacher.layers[0])
    its = hidden_states(Distiller(student, predictor, LabelDistillation()), x)[1]
    assert set(its) == {"prediction"}
    close(its["prediction"], teacher(x).prediction)


def test_targets_that_the_rows_carry_stand_for_a_teacher():
    student, teacher = small_models.student_and_teacher()
    x, _ = small_models.inputs_and_ratings()
    carried = attach(x, TeacherTargets()(teacher, x), ("prediction",))
    own, its = hidden_states(Distiller(student, None, LabelDistillation()), carried)
    close(own["low"], student(x).low)
    assert set(its) == {"prediction"}
    close(its["prediction"], teacher(x).prediction)


def test_several_teachers_are_looked_at_one_by_one():
    student, teacher = small_models.student_and_teacher()
    x, _ = small_models.inputs_and_ratings()
    with pytest.raises(ValueError, match="One teacher is looked at at a time. Received: a list"):
        hidden_states(Distiller(student, [teacher], MultiTeacher([Scratch()])), x)
