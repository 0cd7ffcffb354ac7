"""A training step is that of the equations, and what a distiller is made of is checked."""

import keras
import numpy as np
import pytest

import numpy_reference as reference
from gradients import float64
from small_distillers import X, Y, fit, make_distiller, student_of, talking
from small_models import numpy_layer, numpy_trace, randomise, small_model, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.model_split import ModelSplit


@pytest.fixture
def in_float64():
    with float64():
        yield


@pytest.mark.parametrize("weight", [None, np.arange(12) / 4.0], ids=["plain", "weighted"])
def test_one_step_is_that_of_the_equations(in_float64, weight):
    method = talking(2, linear=False, interaction_weight=2.0, message_weight=0.5, state_weight=3.0)
    distiller = make_distiller(method, optimizer=keras.optimizers.SGD(0.01))
    randomise(method, 1)
    models = [split.layers[0] for split in (distiller.student, distiller.teacher)]
    variables = [*models[0].trainable_variables, *method.trainable_variables]
    its = numpy_trace(models[1], X)

    def numpy_terms():
        own = numpy_trace(models[0], X)
        speakers = (
            reference.speaker(
                getattr(method, f"{name}_encoder"),
                getattr(method, f"{name}_decoder"),
                numpy_layer(model, "high"),
            )
            for name, model in zip(("student", "teacher"), models, strict=True)
        )
        raw = reference.talking_models(own[:2], its[:2], *speakers, 2, weight=weight)
        return {
            "task_loss": reference.mean(reference.l2(own[2], Y), weight),
            "interaction_loss_1": 2.0 * raw["interaction_loss_1"],
            "interaction_loss_2": 2.0 * raw["interaction_loss_2"],
            "message_loss": 0.5 * raw["message_loss"],
            "state_loss": 3.0 * raw["state_loss"],
        }

    expected, before = numpy_terms(), [v.numpy() for v in variables]
    history = fit(distiller, sample_weight=weight)
    assert set(history) == {"loss", *expected}
    for name, value in {**expected, "loss": sum(expected.values())}.items():
        np.testing.assert_allclose(history[name], [value], rtol=1e-6, err_msg=name)
    after = [v.numpy() for v in variables]
    rng, step = np.random.default_rng(0), 1e-6
    for _ in range(5):
        ends, directions = [], [rng.normal(size=value.shape) for value in before]
        for sign in (1, -1):
            for v, value, along in zip(variables, before, directions, strict=True):
                v.assign(value + sign * step * along)
            ends.append(sum(numpy_terms().values()))
        moved = sum(
            np.sum((b - a) / 0.01 * along)
            for b, a, along in zip(before, after, directions, strict=True)
        )
        np.testing.assert_allclose(moved, (ends[0] - ends[1]) / (2 * step), rtol=1e-5)


def test_a_step_runs_each_model_once_on_x():
    calls = []

    def counted(name, model):
        def room(layer):
            def run(x):
                calls.append(f"{name} {layer}")
                return model.get_layer(layer)(x)

            return run

        return ModelSplit(room("low"), room("high"), room("out"), model=model)

    student = counted("student", small_model())
    teacher = counted("teacher", small_model(7, 6))
    student(X)
    teacher(X)
    distiller = make_distiller(talking(2), student=student, teacher=teacher)
    fit(distiller)  # on JAX Keras runs the student once more, before the first step of all
    stored = distiller.with_teacher_targets((X, Y), batch_size=12)
    for data, on_x in (((X, Y), 1), ((stored, None), 0)):
        calls.clear()
        fit(distiller, *data)
        # Twice interpreted by the teacher, and once by the student between the rounds.
        assert {name: calls.count(name) for name in sorted(set(calls))} == {
            "student high": 1 + 1,
            "student low": 1,
            "student out": 1,
            **({"teacher low": 1, "teacher out": 1} if on_x else {}),
            "teacher high": on_x + 2,
        }


def test_the_student_learns():
    distiller = make_distiller(optimizer=keras.optimizers.Adam(0.02), run_eagerly=False)
    history = fit(distiller, epochs=30)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    for name in ("task_loss", "message_loss"):
        assert history[name][-1] < history[name][0]


def test_frozen_layers_of_the_student_stay():
    distiller = make_distiller(talking(2))
    student = student_of(distiller)
    student.get_layer("low").trainable = False
    frozen, free = student.get_layer("low").kernel, student.get_layer("high").kernel
    before = frozen.numpy(), free.numpy()
    fit(distiller)
    np.testing.assert_array_equal(frozen.numpy(), before[0])
    assert abs(free.numpy() - before[1]).min() > 0


def test_wrong_types_are_refused():
    student, teacher = student_and_teacher()
    model = student.layers[0]
    with pytest.raises(TypeError, match=r"`student` must be a ModelSplit, such as tdrec.split_mod"):
        Distiller(model.get_weights(), teacher, Scratch())
    with pytest.raises(TypeError, match=r"`teacher` must be a ModelSplit.* Received: 'teacher.ker"):
        Distiller(student, "teacher.keras", Scratch())
    with pytest.raises(TypeError, match="`method` must be a Method.* Received: 'td'"):
        Distiller(student, teacher, "td")


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(RuntimeError, match="TensorFlow and JAX. Received: 'torch'. Set KERAS_BA"):
        Distiller(*student_and_teacher(), Scratch())


def test_student_of_functions_without_an_owner_is_refused():
    model = small_model()
    functions = [lambda x, name=name: model.get_layer(name)(x) for name in ("low", "high", "out")]
    with pytest.raises(ValueError, match="Name their model: tdrec.ModelSplit"):
        Distiller(ModelSplit(*functions), None, Scratch())


@pytest.mark.parametrize("given", ["metrics", "weighted_metrics"])
def test_a_metric_with_the_name_of_a_term_is_refused(given):
    distiller = Distiller(*student_and_teacher(), LabelDistillation())
    with pytest.raises(ValueError, match="Received: label_loss, which the distiller logs itself"):
        distiller.compile("sgd", loss="mse", **{given: [keras.metrics.Mean(name="label_loss")]})
