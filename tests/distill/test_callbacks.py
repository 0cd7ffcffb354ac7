import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from small_models import inputs_and_ratings, student_and_teacher
from tdrec.distill.callbacks import RampUp, TermSchedule, switch_off, warm_up
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FeatureDistillation, LabelDistillation, TalkingModels
from tdrec.distill.model_split import ModelSplit
from tdrec.distill.trainers.training_step import PARTS

X, Y = inputs_and_ratings(rows=32)
SIZES = {"message_dim": 6, "hidden_dim": 9}


def make(method=None, *, student=None, teacher=None, optimizer="adam", **compiling):
    keras.utils.set_random_seed(0)
    splits = student_and_teacher()
    method = method or TalkingModels(2, **SIZES, linear=True)
    distiller = Distiller(student or splits[0], teacher or splits[1], method)
    distiller.compile(optimizer, loss="mse", **{"run_eagerly": True, **compiling})
    return distiller


def fit(distiller, *callbacks, steps=8, **arguments):
    """One epoch of steps of 4 rows; the history."""
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4, drop_remainder=True).repeat()
    arguments = {"steps_per_epoch": steps, "verbose": 0, **arguments}
    return distiller.fit(data, callbacks=list(callbacks), **arguments).history


class Recorder(keras.callbacks.Callback):
    """The factors of the terms, the part that learns and all weights, as of each batch."""

    def __init__(self):
        super().__init__()
        self.factors, self.learning, self.student, self.method = [], [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.factors.append({n: float(v) for n, v in self.model.term_weights.items()})
        self.learning.append(tuple(self.model.learning))

    def on_train_batch_end(self, batch, logs=None):
        self.student.append([v.numpy() for v in self.model.student_layers[0].variables])
        self.method.append([v.numpy() for v in self.model.method.variables])


def same(mine, its):
    return [a.tobytes() == b.tobytes() for a, b in zip(mine, its, strict=True)]


# Schedules of terms


def test_schedules():
    assert [warm_up(4)(step) for step in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]
    assert [switch_off(4)(step) for step in (0, 3, 4, 9)] == [1.0, 1.0, 0.0, 0.0]


def test_factors_follow_their_schedules_and_are_logged():
    seen = Recorder()
    plan = TermSchedule({"interaction_loss_*": warm_up(4), "message_loss": switch_off(3)})
    distiller = make()
    history = fit(distiller, plan, seen, epochs=2, steps=4)
    up = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    assert [f["interaction_loss_1"] for f in seen.factors] == up
    assert [f["interaction_loss_2"] for f in seen.factors] == up
    assert [f["message_loss"] for f in seen.factors] == [1.0] * 3 + [0.0] * 5
    assert {f["state_loss"] for f in seen.factors} == {1.0}
    assert history["interaction_loss_2_weight"] == [0.75, 1.0]
    assert history["message_loss_weight"] == [0.0, 0.0]
    assert "state_loss_weight" not in history
    # A second run goes on by the optimizer's steps.
    fit(distiller, TermSchedule({"message_loss": lambda step: step / 10}), steps=1)
    assert float(distiller.term_weights["message_loss"]) == pytest.approx(0.8)


def test_a_compiled_step_obeys_the_factors():
    plan = TermSchedule({"*": lambda step: float(step >= 4)})
    distiller = make(LabelDistillation(), run_eagerly=False, jit_compile=False)
    first = fit(distiller, plan, steps=4)
    assert {first[name][0] for name in distiller.method.terms} == {0.0}
    assert first["loss"] == first["task_loss"]
    second = fit(distiller, plan, steps=4)
    assert all(second[name][0] > 0 for name in distiller.method.terms)


def test_several_steps_an_execution_see_the_factors_of_the_first():
    seen = Recorder()
    distiller = make(
        LabelDistillation(), run_eagerly=False, steps_per_execution=3, jit_compile=False
    )
    fit(distiller, TermSchedule({"label_loss": warm_up(10)}), seen, steps=6)
    assert [f["label_loss"] for f in seen.factors] == pytest.approx([0.0, 0.3])


@pytest.mark.parametrize(
    ("schedules", "error", "message"),
    [
        ({}, ValueError, "must name a term. Received: an empty mapping"),
        ({"message_loss": 0.5}, TypeError, "must be a function of the step. Received: 0.5"),
    ],
)
def test_schedules_that_are_refused_at_once(schedules, error, message):
    with pytest.raises(error, match=message):
        TermSchedule(schedules)


@pytest.mark.parametrize(
    ("schedules", "message"),
    [
        (
            {"mesage_loss": warm_up(3)},
            "TalkingModels, which has interaction_loss_1, interaction_loss_2, message_loss, "
            "state_loss. Received: 'mesage_loss'",
        ),
        (
            {"*_loss": warm_up(3), "state_loss": warm_up(5)},
            "one schedule. Received: 'state_loss', and another one for state_loss",
        ),
        ({"state_loss": lambda step: -1.0}, "schedule of state_loss.*at least 0. Received: -1.0"),
        ({"state_loss": lambda step: float("nan")}, "at least 0. Received: nan"),
    ],
)
def test_schedules_that_are_refused_before_the_first_step(schedules, message):
    distiller = make()
    with pytest.raises(ValueError, match=message):
        fit(distiller, TermSchedule(schedules))
    assert int(distiller.optimizer.iterations) == 0


@pytest.mark.parametrize("plan", [TermSchedule({"message_loss": warm_up(3)}), RampUp()])
def test_another_model_is_refused(plan):
    model = student_and_teacher()[0].layers[0]
    model.compile("sgd", loss="mse")
    with pytest.raises(TypeError, match=f"tdrec.{type(plan).__name__} is a callback of a tdrec.D"):
        model.fit(X, Y, callbacks=[plan], verbose=0)


@pytest.mark.parametrize("make_plan", [warm_up, switch_off, RampUp, lambda n: RampUp(0, n)])
@pytest.mark.parametrize("steps", [-1, 2.5])
def test_steps_are_counted_in_integers(make_plan, steps):
    with pytest.raises(ValueError, match=f"must be an integer of at least .* Received: {steps}"):
        make_plan(steps)


# The ramp-up


def with_batch_norm():
    x = inputs = keras.Input((3,))
    x = layers.BatchNormalization(name="norm")(layers.Dense(5, name="low")(x))
    x = layers.Dropout(0.5)(layers.Dense(4, "tanh", name="high")(x))
    return keras.Model(inputs, layers.Dense(1, name="out")(x), name="student")


def restless():
    """An optimizer that moves what has no gradient: momentum, decay, and weights averaged in."""
    return keras.optimizers.AdamW(
        0.01, weight_decay=0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5
    )


@pytest.mark.parametrize(
    ("compiling", "boundaries"),
    [
        ({}, (3, 6)),
        # Executions of 2 steps: the stages change at the first that starts at or after the step.
        ({"run_eagerly": False, "jit_compile": True, "steps_per_execution": 2}, (4, 6)),
    ],
    ids=["eager", "jit, executions"],
)
def test_stages_of_the_ramp_up(compiling, boundaries):
    seen, each = Recorder(), compiling.get("steps_per_execution", 1)
    student = split_model(with_batch_norm(), "low", "high")
    method = FeatureDistillation(**SIZES, linear=True)
    distiller = make(method, student=student, optimizer=restless(), **compiling)
    before = [v.numpy() for v in student.layers[0].variables]
    method_before = [v.numpy() for v in distiller.method.variables]
    fit(distiller, RampUp(student_steps=3, codec_steps=3), seen, steps=8)
    first, second = (boundary // each for boundary in boundaries)
    stages = [("student",)] * first + [("method",)] * (second - first)
    assert seen.learning == stages + [PARTS] * (8 // each - second)
    assert int(distiller.optimizer.iterations) == 8
    students, methods = [before, *seen.student], [method_before, *seen.method]
    for i, learning in enumerate(seen.learning):
        rests, moves = (students, methods) if learning == ("method",) else (methods, students)
        if learning != PARTS:
            assert all(same(rests[i], rests[i + 1])), i  # batch statistics too
        assert not any(same(moves[i], moves[i + 1])[:2]), i
    assert not any(same(methods[-2], methods[-1]))
    assert distiller.learning == PARTS


def test_the_first_stage_is_training_without_a_teacher():
    distiller, alone = make(), make()
    history = fit(distiller, RampUp(8, 0))
    assert {history[name][0] for name in distiller.method.terms} == {0.0}
    student = alone.student_layers[0]
    student.compile("adam", loss="mse", run_eagerly=True)
    expected = fit(student)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-6)
    for mine, its in zip(distiller.student_layers[0].weights, student.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=1e-5, atol=1e-7)


def test_the_first_stage_does_not_run_the_teacher():
    model, calls = student_and_teacher()[1].layers[0], []

    def lower(x):
        calls.append(len(x))
        return model.get_layer("low")(x)

    teacher = ModelSplit(lower, model.get_layer("high"), model.get_layer("out"), model=model)
    teacher(X)  # its shapes are known, and nothing is run to find them
    calls.clear()
    distiller = make(teacher=teacher)
    fit(distiller, RampUp(8, 0))
    assert calls == []
    fit(distiller, RampUp(8, 8))
    assert calls == [4] * 8


def test_a_run_that_goes_on_goes_on_in_its_stage():
    distiller = make()
    first, second = Recorder(), Recorder()
    fit(distiller, RampUp(3, 3), first, steps=4)
    fit(distiller, RampUp(3, 3), second, steps=4)
    stages = [("student",)] * 3 + [("method",)] * 3 + [PARTS] * 2
    assert first.learning + second.learning == stages


def test_ramp_up_with_scaled_losses():
    optimizer = keras.optimizers.LossScaleOptimizer(restless(), initial_scale=64.0)
    distiller = make(optimizer=optimizer)
    before = [v.numpy() for v in distiller.student_layers[0].variables]
    fit(distiller, RampUp(0, 4), steps=4)
    # At the end of `fit` the averages replace all weights; those of the frozen are of one value.
    for value, after in zip(before, distiller.student_layers[0].variables, strict=True):
        np.testing.assert_allclose(value, after.numpy(), rtol=1e-6)


def test_stages_are_traced_once_for_all_runs(monkeypatch):
    distiller = make(run_eagerly=False)
    traced, real = [], Distiller.compute_losses

    def counted(self, data, learning=()):
        traced.append(learning)
        return real(self, data, learning)

    monkeypatch.setattr(Distiller, "compute_losses", counted)
    stages = [("student",), ("method",), PARTS]
    for _ in range(3):
        distiller.optimizer.iterations.assign(0)
        fit(distiller, RampUp(2, 2), steps=6)
    assert traced == stages
    # What is compiled anew must not take up a step of before.
    distiller.compile(keras.optimizers.SGD(0.0), loss="mse")
    before = [v.numpy() for v in distiller.student_layers[0].variables]
    fit(distiller, RampUp(2, 2), steps=6)
    assert traced[3:] == stages
    assert all(same(before, [v.numpy() for v in distiller.student_layers[0].variables]))


def test_a_method_that_learns_nothing_has_no_stage_of_its_own():
    with pytest.raises(ValueError, match="LabelDistillation, which has none. Use codec_steps=0"):
        fit(make(LabelDistillation()), RampUp(1, 1))
    fit(make(LabelDistillation()), RampUp(1, 0))


def test_learning_that_is_refused():
    distiller = make()
    with pytest.raises(ValueError, match=r"`learning` must be .* Received: \('teacher',\)"):
        distiller.learning = ("teacher",)
    distiller.student_layers[0].trainable = False
    distiller.learning = ("student",)
    with pytest.raises(ValueError, match="must be something to learn. Received: learning="):
        fit(distiller)


# TensorBoard


def scalars(folder):
    """Every scalar of the event files, by its name: the values in the order of their steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        name: [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(name)]
        for name in events.Tags()["tensors"]
    }


def test_tensorboard_shows_every_term_and_factor(tmp_path):
    plan = TermSchedule({"interaction_loss_*": warm_up(4)})
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    distiller = make()
    history = fit(distiller, plan, board, epochs=2, steps=4)
    found = scalars(tmp_path / "train")
    rounds = {"interaction_loss_1", "interaction_loss_2"}
    assert {"loss", "task_loss", "message_loss", "state_loss", *rounds} <= set(history)
    assert {f"{name}_weight" for name in rounds} <= set(history)
    for name, values in history.items():
        np.testing.assert_allclose(found[f"epoch_{name}"], values, rtol=1e-6, err_msg=name)
