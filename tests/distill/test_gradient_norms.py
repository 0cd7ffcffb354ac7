import keras
import numpy as np
import pytest

import numpy_reference as reference
from small_models import (
    inputs_and_ratings,
    numpy_layer,
    numpy_trace,
    randomise,
    small_model,
    student_and_teacher,
)
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.gradient_norms import gradient_norms
from tdrec.distill.methods import LabelDistillation, Scratch, TalkingModels

X, Y = inputs_and_ratings()
SIZES = {"message_dim": 6, "hidden_dim": 9}


def make(method, student=None, optimizer="adam"):
    keras.utils.set_random_seed(0)
    splits = student_and_teacher()
    distiller = Distiller(student or splits[0], splits[1], method)
    distiller.compile(optimizer, loss="mse")
    return distiller


def by_differences(losses, variables, step=1e-3):
    """The norm of each loss's gradient for the variables, from differences of their values."""
    slopes = []
    for variable in variables:
        before = variable.numpy()
        for index in np.ndindex(before.shape):
            ends = []
            for sign in (1, -1):
                moved = before.copy()
                moved[index] += sign * step
                variable.assign(moved)
                ends.append((float(moved[index]), losses()))
            (a, high), (b, low) = ends
            slopes.append({name: (high[name] - low[name]) / (a - b) for name in high})
            variable.assign(before)
    return {name: np.sqrt(sum(s[name] ** 2 for s in slopes)) for name in slopes[0]}


@pytest.mark.parametrize("weight", [None, np.arange(12, dtype="float32") / 4], ids=["", "weighted"])
def test_norms_of_talking_models_are_those_of_the_equations(weight):
    method = TalkingModels(2, **SIZES, message_weight=0.5)
    distiller = make(method)
    randomise(method, 1)
    student, teacher = (s.layers[0] for s in (distiller.student, distiller.teacher))

    def losses():
        own, its = numpy_trace(student, X), numpy_trace(teacher, X)
        speakers = (
            reference.speaker(
                getattr(method, f"{name}_encoder"),
                getattr(method, f"{name}_decoder"),
                numpy_layer(model, "high"),
            )
            for name, model in (("student", student), ("teacher", teacher))
        )
        terms = reference.talking_models(own[:2], its[:2], *speakers, 2, weight=weight)
        terms["message_loss"] = 0.5 * terms["message_loss"]
        return {"task_loss": reference.mean(reference.l2(own[2], Y), weight), **terms}

    # Only the task reaches the layer "out", so it is not shared.
    shared = [v for name in ("low", "high") for v in student.get_layer(name).trainable_variables]
    expected = by_differences(losses, shared)
    found = gradient_norms(distiller, (X, Y) if weight is None else (X, Y, weight))
    assert set(found) == {"task_loss", *method.terms}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-4, err_msg=name)


def test_label_distillation_shares_all_weights():
    distiller = make(LabelDistillation(weight=2.0))
    student, teacher = (s.layers[0] for s in (distiller.student, distiller.teacher))

    def losses():
        own, its = numpy_trace(student, X)[2], numpy_trace(teacher, X)[2]
        return {"task_loss": np.mean((own - Y) ** 2), "label_loss": 2 * np.mean((own - its) ** 2)}

    expected = by_differences(losses, student.trainable_variables)
    found = gradient_norms(distiller, (X, Y))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4)


def test_a_method_without_terms_leaves_the_task():
    distiller = make(Scratch())
    student = distiller.student.layers[0]
    expected = by_differences(
        lambda: {"task_loss": np.mean((numpy_trace(student, X)[2] - Y) ** 2)},
        student.trainable_variables,
    )
    found = gradient_norms(distiller, (X, Y))
    assert set(found) == {"task_loss"}
    np.testing.assert_allclose(found["task_loss"], expected["task_loss"], rtol=2e-4)


def test_measuring_moves_nothing_and_repeats():
    x = inputs = keras.Input((3,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(5, name="low")(x))
    x = keras.layers.Dense(4, name="high")(keras.layers.Dropout(0.5)(x))
    student = keras.Model(inputs, keras.layers.Dense(1)(x))
    method = TalkingModels(1, **SIZES, noise=0.1, dropout=0.5)
    distiller = make(method, split_model(student, "low", "high"))
    before = [v.numpy() for v in distiller.variables]
    first = gradient_norms(distiller, (X, Y))
    assert gradient_norms(distiller, (X, Y)) == first
    for value, after in zip(before, distiller.variables, strict=True):
        np.testing.assert_array_equal(value, after.numpy())


def test_factors_of_terms_and_stored_targets_change_nothing():
    distiller = make(TalkingModels(1, **SIZES))
    expected = gradient_norms(distiller, (X, Y))
    distiller.term_weights["state_loss"].assign(0.0)
    (batch,) = distiller.with_teacher_targets((X, Y), batch_size=12)
    found = gradient_norms(distiller, batch)
    assert found == pytest.approx(expected, rel=1e-5)


def test_rows_of_an_embedding_that_come_twice_are_added_up():
    inputs = keras.Input((1,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(4, 3, name="table")(inputs))
    x = keras.layers.Dense(4, "tanh", name="high")(keras.layers.Dense(5, "tanh", name="low")(x))
    student = keras.Model(inputs, keras.layers.Dense(1)(x))
    teacher = keras.models.clone_model(student)
    splits = [split_model(model, "low", "high") for model in (student, teacher)]
    distiller = Distiller(*splits, LabelDistillation())
    distiller.compile("sgd", loss="mse")
    ids, y = np.array([[1], [1], [2]]), Y[:3]
    expected = by_differences(
        lambda: {"task_loss": float(np.mean((np.asarray(student(ids)) - y) ** 2))},
        student.trainable_variables,
        step=3e-3,
    )
    found = gradient_norms(distiller, (ids, y))
    np.testing.assert_allclose(found["task_loss"], expected["task_loss"], rtol=3e-3)


def test_a_term_that_does_not_reach_the_student_has_norm_0():
    distiller = make(TalkingModels(1, **SIZES))
    student = distiller.student.layers[0]
    student.get_layer("low").trainable = False
    student.get_layer("high").trainable = False
    found = gradient_norms(distiller, (X, Y))
    assert {found[name] for name in distiller.method.terms} == {0.0}


def test_an_exploded_term_is_not_finite():
    distiller = make(LabelDistillation())
    distiller.teacher.layers[0].get_layer("out").bias.assign([np.inf])
    found = gradient_norms(distiller, (X, Y))
    assert np.isfinite(found["task_loss"])
    assert not np.isfinite(found["label_loss"])


def test_scaled_losses_have_the_same_norms():
    plain = gradient_norms(make(LabelDistillation()), (X, Y))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    scaled = gradient_norms(make(LabelDistillation(), optimizer=optimizer), (X, Y))
    assert scaled == pytest.approx(plain, rel=1e-5)


def test_a_distiller_that_is_not_compiled_is_refused():
    distiller = Distiller(*student_and_teacher(), LabelDistillation())
    with pytest.raises(ValueError, match="Received: a distiller that is not compiled"):
        gradient_norms(distiller, (X, Y))


def test_the_head_alone_is_not_shared():
    model = small_model()
    distiller = make(TalkingModels(1, **SIZES), split_model(model, "low", "high"))
    before = gradient_norms(distiller, (X, Y))
    model.get_layer("out").trainable = False
    assert gradient_norms(distiller, (X, Y)) == before
