import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FitNet, LabelDistillation, Scratch, TalkingModels
from tdrec.distill.methods.sum import Sum

SIZES = {"message_dim": 6, "hidden_dim": 9}
X, Y = inputs_and_ratings()


def built(method, seed=3):
    student, teacher = student_and_teacher()
    keras.utils.set_random_seed(seed)
    distiller = Distiller(student, teacher if method.teacher_fields else None, method)
    distiller.compile("sgd", loss="mse")
    return distiller


def terms_of(distiller):
    return {name: float(v) for name, v in distiller.compute_losses((X, Y))[2].items()}


def test_its_losses_are_those_of_its_methods():
    apart = [FitNet(0.5, hidden_dim=9), LabelDistillation(2.0), TalkingModels(1, **SIZES)]
    together = built(Sum([type(m).from_config(m.get_config()) for m in apart]))
    assert together.method.teacher_fields == ("low", "high", "prediction")
    found = terms_of(together)
    assert tuple(found) == together.method.terms
    keras.utils.set_random_seed(3)  # the methods' layers, one after the other
    student, teacher = student_and_teacher()
    for method, its in zip(apart, together.method.methods, strict=True):
        method.build(student.shapes, teacher.shapes)
        for mine, value in zip(method.variables, its.variables, strict=True):
            mine.assign(value)
        distiller = Distiller(student, teacher, method)
        distiller.compile(loss="mse")
        alone = terms_of(distiller)
        assert {name: found[name] for name in alone} == pytest.approx(alone, rel=1e-6)
    assert len(together.method.trainable_variables) == sum(
        len(method.trainable_variables) for method in apart
    )


def test_only_what_is_read_of_the_teacher_is_asked_for():
    assert Sum([Scratch(), LabelDistillation()]).teacher_fields == ("prediction",)
    assert Sum([FitNet(), FitNet.from_config(FitNet().get_config())][:1]).terms == ("hint_loss",)
    assert Sum([Scratch()]).teacher_fields == ()


def test_terms_of_one_name_are_refused():
    with pytest.raises(ValueError, match="different names. Received: hint_loss, hint_loss"):
        Sum([FitNet(), FitNet()])


def test_what_is_no_method_is_refused():
    with pytest.raises(TypeError, match="must be a Method, such as .* Received: 'ld'"):
        Sum(["ld"])


def test_it_is_trained_saved_and_goes_on(tmp_path):
    distiller = built(Sum([LabelDistillation(2.0), TalkingModels(1, **SIZES)]))
    distiller.fit(X, Y, batch_size=4, verbose=0)
    distiller.save(tmp_path / "whole.keras")
    again = keras.models.load_model(tmp_path / "whole.keras")
    assert [type(m) for m in again.method.methods] == [LabelDistillation, TalkingModels]
    assert again.method.methods[0].weight == 2.0
    for mine, its in zip(again.variables, distiller.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), its.numpy())
    again.teacher = distiller.teacher
    assert terms_of(again) == pytest.approx(terms_of(distiller), rel=1e-6)
