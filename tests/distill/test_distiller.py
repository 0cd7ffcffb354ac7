import csv
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import numpy_reference as reference
from gradients import float64
from small_models import (
    inputs_and_ratings,
    numpy_layer,
    numpy_trace,
    randomise,
    small_model,
    student_and_teacher,
)
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import (
    FeatureDistillation,
    FitNet,
    Hybrid,
    LabelDistillation,
    Scratch,
    TalkingModels,
)
from tdrec.distill.model_split import ModelSplit, split_model
from tdrec.distill.teacher_targets import TeacherTargets

X, Y = inputs_and_ratings()
SIZES = {"message_dim": 6, "hidden_dim": 9}
TD_TERMS = ["interaction_loss_1", "message_loss", "state_loss"]
CODECS = ("student_encoder", "student_decoder", "teacher_encoder", "teacher_decoder")


def talking(rounds=1, linear=True, **arguments):
    return TalkingModels(rounds, **SIZES, linear=linear, **arguments)


def make(method=None, *, seed=0, student=None, teacher=None, optimizer="adam", **compiling):
    """A compiled distiller of small models; eager, since most tests take a few steps."""
    keras.utils.set_random_seed(seed)
    splits = student_and_teacher()
    student, teacher = student or splits[0], teacher or splits[1]
    distiller = Distiller(student, teacher, method or talking())
    arguments = {"loss": "mse", "run_eagerly": True, **compiling}
    distiller.compile(optimizer, **arguments)
    return distiller


def fit(distiller, x=X, y=Y, **arguments):
    arguments = {"batch_size": 12, "shuffle": False, "verbose": 0, **arguments}
    if isinstance(x, tf.data.Dataset):
        del arguments["batch_size"], arguments["shuffle"]
        return distiller.fit(x, **arguments).history
    return distiller.fit(x, y, **arguments).history


def numbers(layer):
    return [v.numpy() for v in layer.variables]


def student_of(distiller):
    return distiller.student.layers[0]


def assert_all_close(mine, its, **tolerance):
    for a, b in zip(mine, its, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


# One step


@pytest.fixture
def in_float64():
    with float64():
        yield


@pytest.mark.parametrize("weight", [None, np.arange(12) / 4.0], ids=["plain", "weighted"])
def test_one_step_is_that_of_the_equations(in_float64, weight):
    method = talking(2, linear=False, interaction_weight=2.0, message_weight=0.5, state_weight=3.0)
    distiller = make(method, optimizer=keras.optimizers.SGD(0.01))
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

        return ModelSplit(room("low"), room("high"), room("out"), owner=model)

    student = counted("student", small_model())
    teacher = counted("teacher", small_model(7, 6))
    student(X)
    teacher(X)
    distiller = make(talking(2), student=student, teacher=teacher)
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


def test_the_teacher_is_not_run_where_the_method_reads_nothing_of_it():
    broken = ModelSplit(lambda x: 1 / 0, lambda low: 1 / 0, lambda high: 1 / 0)
    fit(make(Scratch(), teacher=broken))


def test_stored_targets_give_the_same_training():
    results = []
    for stored in (False, True):
        distiller = make(talking(2))
        data = (distiller.with_teacher_targets((X, Y), batch_size=4), None) if stored else (X, Y)
        history = fit(distiller, *data, epochs=2, batch_size=4)
        results.append((history, numbers(student_of(distiller)) + numbers(distiller.method)))
    assert (
        set(results[0][0])
        == set(results[1][0])
        == {"loss", "task_loss", "interaction_loss_2", *TD_TERMS}
    )
    for name, values in results[0][0].items():
        np.testing.assert_allclose(values, results[1][0][name], rtol=1e-5)
    assert_all_close(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


def test_the_student_learns():
    distiller = make(optimizer=keras.optimizers.Adam(0.02), run_eagerly=False)
    history = fit(distiller, epochs=30)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    for name in ("task_loss", "message_loss"):
        assert history[name][-1] < history[name][0]


def test_logged_losses_are_means_over_rows():
    distiller = make(LabelDistillation(0.5), optimizer=keras.optimizers.SGD(0.0))
    history = fit(distiller, batch_size=5)  # batches of 5, 5 and 2 rows
    own, its = (numpy_trace(s.layers[0], X)[2] for s in (distiller.student, distiller.teacher))
    np.testing.assert_allclose(history["task_loss"], [np.mean((own - Y) ** 2)], rtol=1e-5)
    np.testing.assert_allclose(history["label_loss"], [0.5 * np.mean((own - its) ** 2)], rtol=1e-5)
    total = history["task_loss"][0] + history["label_loss"][0]
    np.testing.assert_allclose(history["loss"], [total], rtol=1e-5)


# The teacher


def test_the_teacher_is_left_alone(tmp_path):
    distiller = make(talking(2), optimizer="sgd")
    teacher = distiller.teacher.layers[0]
    teacher.get_layer("low").trainable = False
    flags = [layer.trainable for layer in teacher._flatten_layers()]
    before = numbers(teacher)
    student_before = numbers(student_of(distiller))
    fit(distiller, epochs=2)
    for value, after in zip(before, numbers(teacher), strict=True):
        assert value.tobytes() == after.tobytes()
    assert [layer.trainable for layer in teacher._flatten_layers()] == flags
    now = numbers(student_of(distiller))
    assert any(abs(a - b).max() > 0 for a, b in zip(student_before, now, strict=True))
    assert {id(v) for v in teacher.variables}.isdisjoint(id(v) for v in distiller.variables)
    mine = {id(v) for v in [*student_of(distiller).variables, *distiller.method.variables]}
    assert {id(v) for v in distiller.trainable_variables} == mine
    distiller.save_weights(tmp_path / "d.weights.h5")
    distiller.save(tmp_path / "d.keras")
    with zipfile.ZipFile(tmp_path / "d.keras") as archive:
        archive.extract("model.weights.h5", tmp_path)
        config = archive.read("config.json").decode()
    assert "teacher" not in json.dumps(json.loads(config)["config"]["student"])
    for file in ("d.weights.h5", "model.weights.h5"):
        shapes = []
        with h5py.File(tmp_path / file) as content:
            content.visititems(lambda _, item, s=shapes: s.append(getattr(item, "shape", None)))
        assert (5, 4) in shapes  # the student's layer "high"
        assert not {(3, 7), (7, 6), (6, 1)} & set(shapes)  # the teacher's layers


def test_a_layer_of_both_models_is_trained():
    shared = layers.Dense(5, name="shared")
    splits = []
    for name in ("student", "teacher"):
        inputs = keras.Input((3,))
        low = layers.Dense(4, name="low")(shared(inputs))
        high = layers.Dense(4, name="high")(low)
        model = keras.Model(inputs, layers.Dense(1)(high), name=name)
        splits.append(split_model(model, "low", "high"))
    distiller = make(student=splits[0], teacher=splits[1])
    before, frozen = shared.kernel.numpy(), splits[1].layers[0].get_layer("low").kernel.numpy()
    fit(distiller)
    assert abs(shared.kernel.numpy() - before).min() > 0
    np.testing.assert_array_equal(splits[1].layers[0].get_layer("low").kernel.numpy(), frozen)


def test_student_and_teacher_may_read_different_inputs():
    models = [small_model(), small_model(7, 6, seed=5)]
    student, teacher = (
        split_model(model, "low", "high", input_map=lambda x, name=name: x[name])
        for name, model in zip(("mine", "its"), models, strict=True)
    )
    x = {"mine": X, "its": 2 * X}
    distiller = make(LabelDistillation(), student=student, teacher=teacher, optimizer="sgd")
    own, its = numpy_trace(models[0], X)[2], numpy_trace(models[1], 2 * X)[2]
    expected = np.mean((own - its) ** 2)
    history = fit(distiller, x)
    np.testing.assert_allclose(history["label_loss"], [expected], rtol=1e-5)
    own = numpy_trace(models[0], X)[2]
    stored = distiller.with_teacher_targets((x, Y))
    expected = np.mean((own - its) ** 2)
    np.testing.assert_allclose(fit(distiller, stored)["label_loss"], [expected], rtol=1e-5)
    np.testing.assert_allclose(
        distiller.predict(x, verbose=0), models[0].predict(X, verbose=0), rtol=1e-5
    )


# Weights of rows

METHODS = {
    "ld": LabelDistillation,
    "fd": lambda: FeatureDistillation(**SIZES),
    "fitnet": lambda: FitNet(hidden_dim=9),
    "hybrid": lambda: Hybrid(**SIZES),
    "td": lambda: talking(2, linear=False),
}


@pytest.mark.parametrize("name", METHODS)
def test_rows_of_weight_0_act_on_no_term(name):
    weight = np.array([1, 0] * 6, "float32")
    weighted = fit(make(METHODS[name]()), sample_weight=weight)
    kept = fit(make(METHODS[name]()), X[::2], Y[::2])
    assert len(weighted) >= 3
    for term, value in weighted.items():
        # A weighted mean divides by all 12 rows.
        np.testing.assert_allclose(value[0], kept[term][0] / 2, rtol=1e-5, err_msg=term)


def test_class_weight_acts_like_the_sample_weight_of_the_labels():
    labels = np.arange(12) % 3
    histories = []
    for weighting in (
        {"class_weight": {0: 0.5, 1: 0.0, 2: 3.0}},
        {"sample_weight": np.array([0.5, 0.0, 3.0] * 4, "float32")},
    ):
        student, teacher = student_and_teacher(outputs=3)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        method = LabelDistillation(task="classes")
        distiller = make(method, student=student, teacher=teacher, loss=loss, optimizer="sgd")
        own, its = (numpy_trace(split.layers[0], X)[2] for split in (student, teacher))
        histories.append(fit(distiller, X, labels, **weighting))
    assert histories[0] == histories[1]
    expected = reference.mean(reference.kl(its, own), [0.5, 0.0, 3.0] * 4)
    np.testing.assert_allclose(histories[0]["label_loss"], [expected], rtol=1e-4)
    crossentropy = [
        -np.log(reference.softmax(logits)[label]) for logits, label in zip(own, labels, strict=True)
    ]
    expected = reference.mean(np.array(crossentropy), [0.5, 0.0, 3.0] * 4)
    np.testing.assert_allclose(histories[0]["task_loss"], [expected], rtol=1e-5)


# Regularisation


def regularised():
    inputs = keras.Input((3,))
    x = layers.Dense(5, kernel_regularizer="l2", name="low")(inputs)
    x = layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l1", name="high")(x)
    return keras.Model(inputs, layers.Dense(1, bias_regularizer="l2")(x), name="regularised")


@pytest.mark.parametrize("run_eagerly", [True, False])
@pytest.mark.parametrize("method", [Scratch, lambda: talking(3)], ids=["scratch", "td"])
def test_regularisation_losses_are_added_once(method, run_eagerly):
    model = regularised()
    # The same losses in NumPy: two of weights, one of what the layer "high" gives.
    low, high = (v.numpy().astype("float64") for v in (model.weights[0], model.weights[2]))
    e = X @ low @ high
    expected = 0.01 * np.sum(low**2) + 0.01 * np.sum(abs(high)) + 0.01 * np.sum(e**2) / 12
    expected += np.mean((model.predict(X, verbose=0) - Y) ** 2)
    distiller = make(
        method(),
        student=split_model(model, "low", "high"),
        optimizer=keras.optimizers.SGD(0.0),
        run_eagerly=run_eagerly,
    )
    history = fit(distiller, epochs=2, validation_data=(X, Y))
    np.testing.assert_allclose(history["task_loss"], [expected] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], [expected] * 2, rtol=1e-5)
    terms = sum(history[name][0] for name in distiller.method.terms)
    np.testing.assert_allclose(history["loss"], [expected + terms] * 2, rtol=1e-5)


# Execution


@pytest.fixture(scope="module")
def plain_run():
    return run_for_comparison(jit_compile=False)


def run_for_comparison(**compiling):
    x, y = inputs_and_ratings(rows=16)
    distiller = make(
        talking(2), optimizer=keras.optimizers.SGD(0.02), run_eagerly=False, **compiling
    )
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4, drop_remainder=True)
    history = fit(distiller, data, epochs=3)
    return history, numbers(student_of(distiller)) + numbers(distiller.method)


@pytest.mark.parametrize(
    "compiling",
    [
        {"jit_compile": True},
        {"jit_compile": False, "steps_per_execution": 3},
    ],
)
def test_compilation_changes_nothing(plain_run, compiling):
    history, weights = run_for_comparison(**compiling)
    assert_all_close(weights, plain_run[1], rtol=1e-4, atol=1e-6)
    for name, values in history.items():
        np.testing.assert_allclose(values, plain_run[0][name], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        distiller = make(talking(linear=False), run_eagerly=False)
        student = student_of(distiller)
        before = numbers(student) + numbers(distiller.method)
        data = distiller.with_teacher_targets((X, Y), batch_size=12)
        history = fit(distiller, data, epochs=12)
        predicted = distiller.predict(X, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert student.get_layer("low").compute_dtype == policy.removeprefix("mixed_")
    scaled = isinstance(distiller.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    assert np.isfinite([*history.values()]).all()
    assert np.isfinite(predicted.astype("float32")).all()
    # Where the first steps overflow, the scale falls and no weight moves.
    after = numbers(student) + numbers(distiller.method)
    assert any(abs(a - b).max() > 0 for a, b in zip(after, before, strict=True))
    assert all(np.isfinite(value).all() for value in after)
    assert history["loss"][-1] < history["loss"][0]


def test_loss_scaling_does_not_change_the_step():
    weights = []
    for optimizer in (
        keras.optimizers.SGD(0.02),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.02), initial_scale=1024.0),
    ):
        distiller = make(talking(), optimizer=optimizer)
        fit(distiller)
        weights.append(numbers(student_of(distiller)))
    assert_all_close(*weights, rtol=1e-5, atol=1e-6)


def test_learning_rate_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.01, 0.0])
    distiller = make(optimizer=keras.optimizers.SGD(schedule))
    start = numbers(student_of(distiller))
    fit(distiller)
    before = numbers(student_of(distiller))
    assert all(abs(a - b).max() > 0 for a, b in zip(before, start, strict=True))
    fit(distiller, epochs=2)
    assert_all_close(numbers(student_of(distiller)), before, rtol=0)


def test_same_seed_gives_the_same_weights():
    runs = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        distiller = make(talking(linear=False, dropout=0.3, noise=0.1), seed=seed)
        data = distiller.with_teacher_targets((X, Y), batch_size=6, shuffle=True, seed=seed)
        fit(distiller, data, epochs=2)
        runs.append(numbers(student_of(distiller)))
    for first, second in zip(*runs[:2], strict=True):
        assert first.tobytes() == second.tobytes()
    assert any(abs(a - b).max() > 1e-6 for a, b in zip(runs[0], runs[2], strict=True))


def test_frozen_layers_of_the_student_stay():
    distiller = make(talking(2))
    student = student_of(distiller)
    student.get_layer("low").trainable = False
    frozen, free = student.get_layer("low").kernel, student.get_layer("high").kernel
    before = frozen.numpy(), free.numpy()
    fit(distiller)
    np.testing.assert_array_equal(frozen.numpy(), before[0])
    assert abs(free.numpy() - before[1]).min() > 0


# Callbacks


def test_early_stopping_and_logs_by_epoch(tmp_path):
    callbacks = [
        keras.callbacks.EarlyStopping("val_root_mean_squared_error", min_delta=1e9, patience=1),
        keras.callbacks.ReduceLROnPlateau("val_loss", min_delta=1e9, factor=0.5, patience=1),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    distiller = make(metrics=[keras.metrics.RootMeanSquaredError()])
    history = fit(distiller, epochs=9, validation_data=(X, Y), callbacks=callbacks)
    assert len(history["loss"]) == 2
    np.testing.assert_allclose(float(distiller.optimizer.learning_rate), 0.0005)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    expected = {"epoch", "learning_rate", "loss", "task_loss", *TD_TERMS}
    expected |= {"root_mean_squared_error", "val_loss", "val_root_mean_squared_error"}
    assert set(rows[0]) == expected
    for name in TD_TERMS:
        assert float(rows[1][name]) == pytest.approx(history[name][1], rel=1e-5)
    predicted = distiller.predict(X, verbose=0)
    error = np.sqrt(np.mean((predicted - Y) ** 2))
    np.testing.assert_allclose(history["val_root_mean_squared_error"][1], error, rtol=1e-5)


def test_terminate_on_nan():
    broken = Y.copy()
    broken[5] = np.nan
    distiller = make()
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    fit(
        distiller,
        y=broken,
        batch_size=4,
        epochs=3,
        callbacks=[keras.callbacks.TerminateOnNaN(), watch],
    )
    assert seen == [0, 1]  # rows 4 to 7 are the second batch


def test_learning_rate_scheduler():
    distiller = make()
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1))
    fit(distiller, epochs=2, callbacks=[schedule])
    np.testing.assert_allclose(float(distiller.optimizer.learning_rate), 0.05)


def test_backup_and_restore(tmp_path):
    class Interrupted(Exception):
        pass

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise Interrupted

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    whole = fit(make(FitNet(hidden_dim=9)), epochs=4)
    with pytest.raises(Interrupted):
        fit(make(FitNet(hidden_dim=9)), epochs=4, callbacks=[backup(), Interrupt()])
    resumed = fit(make(FitNet(hidden_dim=9), seed=7), epochs=4, callbacks=[backup()])
    np.testing.assert_allclose(resumed["loss"], whole["loss"][2:], rtol=1e-4)


@pytest.mark.parametrize("name", ["scratch", *METHODS])
def test_distiller_saved_whole_goes_on_as_if_nothing_had_been(tmp_path, name):
    distiller = make(METHODS.get(name, Scratch)(), metrics=["mae"])
    file = tmp_path / "distiller.keras"
    fit(distiller, callbacks=[keras.callbacks.ModelCheckpoint(file)])
    loaded = keras.saving.load_model(file)
    assert loaded.method.get_config() == distiller.method.get_config()
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), distiller.predict(X, verbose=0))
    assert loaded.evaluate(X, Y, verbose=0) == distiller.evaluate(X, Y, verbose=0)
    assert loaded.teacher is None
    if name != "scratch":
        with pytest.raises(ValueError, match="set `distiller.teacher` after loading one"):
            fit(loaded)
    loaded.teacher = distiller.teacher
    loaded.run_eagerly = True
    expected, found = fit(distiller, epochs=2), fit(loaded, epochs=2)
    for term, values in expected.items():
        np.testing.assert_allclose(found[term], values, rtol=1e-5, err_msg=term)


def resting_teacher(tmp_path):
    """A teacher's split, and the file that its model is in."""
    teacher = student_and_teacher()[1]
    teacher.layers[0].save(tmp_path / "teacher.keras")
    return teacher, tmp_path / "teacher.keras"


def referring(teacher, file, **arguments):
    """A compiled distiller that knows its teacher's file, with an optimizer of much state."""
    keras.utils.set_random_seed(0)
    distiller = Distiller(
        student_and_teacher()[0], teacher, talking(dropout=0.2), teacher_path=file
    )
    optimizer = keras.optimizers.AdamW(0.01, use_ema=True, ema_overwrite_frequency=3)
    distiller.compile(optimizer, loss="mse", metrics=["mae"], **arguments)
    return distiller


def test_a_run_cut_in_two_is_one_run(tmp_path):
    teacher, file = resting_teacher(tmp_path)
    teacher.layers[0].get_layer("low").trainable = False
    teacher.layers[0].save(file)
    whole, first = (referring(teacher, file, jit_compile=False) for _ in range(2))
    for distiller in (whole, first):
        distiller.term_weights["message_loss"].assign(0.25)
    expected = fit(whole, batch_size=4, epochs=4)
    found = fit(
        first,
        batch_size=4,
        epochs=2,
        callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "middle.keras")],
    )
    # The checkpoint is of before the averages replace the weights at the end of `fit`.
    loaded = keras.saving.load_model(tmp_path / "middle.keras")
    assert float(loaded.term_weights["message_loss"]) == 0.25
    assert loaded.teacher.cut == ("low", "high")
    assert loaded.teacher_path == str(file)
    flags = [layer.trainable for layer in loaded.teacher.layers[0].layers]
    assert flags == [layer.trainable for layer in teacher.layers[0].layers]
    rest = fit(loaded, batch_size=4, epochs=4, initial_epoch=2)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name] + rest[name], values, rtol=1e-6, err_msg=name)
    mine = numbers(student_of(loaded)) + numbers(loaded.method)
    assert_all_close(mine, numbers(student_of(whole)) + numbers(whole.method), rtol=1e-6)


def test_a_saved_distiller_finds_its_teacher_or_waits_for_it(tmp_path):
    teacher, file = resting_teacher(tmp_path)
    referring(teacher, file).save(tmp_path / "d.keras")
    assert keras.saving.load_model(tmp_path / "d.keras").teacher is not None
    file.rename(tmp_path / "elsewhere.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    assert loaded.teacher is None
    with pytest.raises(
        ValueError, match=r"teacher=None, and it was saved with the teacher '\w+', finger"
    ):
        fit(loaded)
    loaded.save(tmp_path / "again.keras")  # the reference is passed on
    for distiller in (loaded, keras.saving.load_model(tmp_path / "again.keras")):
        with pytest.raises(ValueError, match="in the file '.*teacher.keras'. Hand over that one"):
            distiller.teacher = split_model(small_model(7, 6), "low", "high")
        assert distiller.teacher is None
        distiller.teacher = teacher
        assert np.isfinite(fit(distiller)["loss"]).all()


def test_a_teacher_that_was_replaced_in_its_file_is_refused(tmp_path):
    teacher, file = resting_teacher(tmp_path)
    referring(teacher, file).save(tmp_path / "d.keras")
    small_model(7, 6, seed=1).save(file)
    with pytest.raises(ValueError, match="if its file was replaced, put it back, or move the new"):
        keras.saving.load_model(tmp_path / "d.keras")


def test_a_distiller_keeps_its_teacher_and_a_new_one_takes_another():
    distiller = make(LabelDistillation())
    model = distiller.teacher.layers[0]
    distiller.teacher = split_model(model, "low", "high")  # the same in another object
    other = split_model(small_model(7, 6, seed=9), "low", "high")
    for teacher in (other, split_model(model, "low", "high", output=0)):
        with pytest.raises(ValueError, match="A distiller goes on with the teacher that it had"):
            distiller.teacher = teacher
    with pytest.raises(TypeError, match="`teacher` must be a ModelSplit"):
        distiller.teacher = model
    assert distiller.teacher.layers[0] is model
    replaced = Distiller(distiller.student, other, distiller.method)
    assert replaced.teacher is other
    late = Distiller(distiller.student, None, distiller.method)
    late.teacher = other
    assert late.teacher is other


def test_a_checkpoint_stays_when_writing_the_next_fails(tmp_path, monkeypatch):
    distiller, file = make(LabelDistillation()), tmp_path / "d.keras"
    distiller.save(file)
    before = file.read_bytes()

    def broken(model, path, **_):
        Path(path).write_bytes(before[:9])
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", broken)
        with pytest.raises(OSError, match="the disk is full"):
            distiller.save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_checkpoint_of_weights(tmp_path):
    distiller = make(talking(2), metrics=["mae"])
    file = tmp_path / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(
        file, monitor="val_mae", save_best_only=True, save_weights_only=True
    )
    fit(distiller, validation_data=(X, Y), callbacks=[checkpoint])
    other = make(talking(2), seed=3)
    randomise(other.method, 3)
    randomise(student_of(other), 4)
    distiller.term_weights["state_loss"].assign(0.5)
    distiller.save_weights(file)
    other.load_weights(file)
    assert float(other.term_weights["state_loss"]) == 0.5
    np.testing.assert_array_equal(other.predict(X, verbose=0), distiller.predict(X, verbose=0))
    assert_all_close(numbers(other.method), numbers(distiller.method), rtol=0)
    assert np.isfinite(fit(other)["loss"]).all()


def test_the_student_is_saved_as_the_plain_model_that_it_was(tmp_path):
    distiller = make()
    fit(distiller)
    student = student_of(distiller)
    student.save(tmp_path / "student.keras")
    loaded = keras.saving.load_model(tmp_path / "student.keras")
    assert type(loaded) is type(student)
    predicted = distiller.predict(X, verbose=0)
    np.testing.assert_allclose(loaded.predict(X, verbose=0), predicted, rtol=1e-5, atol=1e-6)


def test_student_of_callables_is_not_saved_whole(tmp_path):
    model = small_model()
    split = ModelSplit(*(model.get_layer(name) for name in ("low", "high", "out")))
    mapped = split_model(model, "low", "high", input_map=lambda x: x)
    for student in (split, mapped):
        distiller = make(Scratch(), student=student)
        with pytest.raises(ValueError, match="saved whole only if its student was cut by"):
            distiller.save(tmp_path / "distiller.keras")


# Serving


def test_evaluating_and_predicting_are_the_students():
    distiller = make(metrics=["mae"])
    fit(distiller)
    student = student_of(distiller)
    student.compile(loss="mse", metrics=["mae"])
    expected = student.evaluate(X, Y, verbose=0, return_dict=True)
    found = distiller.evaluate(X, Y, verbose=0, return_dict=True)
    assert set(found) == {"loss", "mae"}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    np.testing.assert_allclose(
        distiller.predict(X, verbose=0), student.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(distiller(X), student(X), rtol=1e-5, atol=1e-6)
    stored = distiller.with_teacher_targets((X, Y), batch_size=5)
    for name, value in distiller.evaluate(stored, verbose=0, return_dict=True).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    np.testing.assert_allclose(
        distiller.predict(stored, verbose=0), student.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )


def with_batch_norm(name):
    inputs = keras.Input((3,))
    x = layers.BatchNormalization(name="norm")(layers.Dense(5, name="low")(inputs))
    x = layers.Dropout(0.5)(layers.Dense(4, name="high")(x))
    return keras.Model(inputs, layers.Dense(1)(x), name=name)


def test_batch_statistics_move_once_a_step_and_not_in_evaluation():
    student, teacher = with_batch_norm("student"), with_batch_norm("teacher")
    distiller = make(
        talking(3),
        student=split_model(student, "low", "high"),
        teacher=split_model(teacher, "low", "high"),
        optimizer=keras.optimizers.SGD(0.0),
    )
    its = numbers(teacher)
    norm = student.get_layer("norm")
    low = X @ student.get_layer("low").kernel.numpy()
    fit(distiller)
    # Keras's momentum is 0.99: one step towards the batch's mean, from 0.
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.01 * low.mean(0), rtol=1e-4, atol=1e-7)
    moved = numbers(student)
    distiller.evaluate(X, Y, verbose=0)
    distiller.predict(X, verbose=0)
    distiller.with_teacher_targets((X, Y))
    for before, after in ((moved, numbers(student)), (its, numbers(teacher))):
        for value, now in zip(before, after, strict=True):
            np.testing.assert_array_equal(value, now)


# Models of other kinds


class Rater(keras.Model):
    """A subclassed model, which has no graph to cut."""

    def __init__(self, low, high):
        super().__init__()
        self.first = layers.Dense(low, "tanh")
        self.second = layers.Dense(high, "tanh")
        self.drop = layers.Dropout(0.2)
        self.last = layers.Dense(1)

    def embed(self, x):
        return self.first(x)

    def body(self, low, training=False):
        return self.drop(self.second(low), training=training)

    def call(self, x, training=False):
        return self.last(self.body(self.embed(x), training=training))

    def split(self):
        return ModelSplit(lower=self.embed, middle=self.body, head=self.last)


@pytest.mark.parametrize(
    ("stored", "compiling"),
    [
        (False, {"run_eagerly": True}),
        (False, {"jit_compile": True}),
        (True, {"jit_compile": False}),
    ],
    ids=["on the fly, eager", "on the fly, jit", "stored, graph"],
)
def test_subclassed_models(stored, compiling):
    keras.utils.set_random_seed(0)
    student, teacher = Rater(5, 4), Rater(7, 6)
    teacher(X)
    distiller = make(
        talking(2),
        optimizer=keras.optimizers.SGD(0.05),
        student=student.split(),
        teacher=teacher.split(),
        **{"run_eagerly": False, **compiling},
    )
    data = distiller.with_teacher_targets((X, Y), batch_size=12) if stored else X
    fit(distiller, data)
    weights = numbers(student) + numbers(distiller.method)
    # E_g, D_g, E_h and D_h: a dense layer each; the student: three.
    assert len(distiller.method.trainable_variables) == 4 * 2
    assert len(distiller.trainable_variables) == 4 * 2 + 3 * 2
    its = numbers(teacher)
    history = fit(distiller, data, epochs=4)
    assert set(history) == {"loss", "task_loss", "interaction_loss_2", *TD_TERMS}
    assert np.isfinite([*history.values()]).all()
    moved = numbers(student) + numbers(distiller.method)
    kinds = [v for v in zip(weights, moved, strict=True) if v[0].dtype.kind == "f"]
    assert all(abs(before - after).max() > 0 for before, after in kinds)
    assert_all_close(numbers(teacher), its, rtol=0)
    np.testing.assert_allclose(distiller.predict(X, verbose=0), student(X), rtol=1e-4)


def test_a_method_that_was_not_built_waits_for_the_first_batch():
    student, teacher = Rater(5, 4), Rater(7, 6)
    distiller = make(student=student.split(), teacher=teacher.split())
    assert not distiller.method.built
    distiller(X)
    assert distiller.method.built
    assert student.first.built


def test_weights_of_a_subclassed_student_are_saved_and_loaded(tmp_path):
    results = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        student, teacher = Rater(5, 4), Rater(7, 6)
        distiller = make(seed=seed, student=student.split(), teacher=teacher.split())
        distiller(X)
        results.append(distiller)
    results[0].save_weights(tmp_path / "d.weights.h5")
    results[1].load_weights(tmp_path / "d.weights.h5")
    np.testing.assert_array_equal(results[0](X), results[1](X))
    assert_all_close(numbers(results[0].method), numbers(results[1].method), rtol=0)


def test_scratch_needs_no_teacher():
    keras.utils.set_random_seed(0)
    student = small_model()
    distiller = Distiller(split_model(student, "low", "high"), None, Scratch())
    distiller.compile(keras.optimizers.SGD(0.02), loss="mse", run_eagerly=True)
    twin = keras.models.clone_model(student)
    twin.set_weights(student.get_weights())
    twin.compile(keras.optimizers.SGD(0.02), loss="mse", run_eagerly=True)
    history = fit(distiller, epochs=2)
    assert set(history) == {"loss", "task_loss"}
    np.testing.assert_allclose(history["loss"], fit(twin, epochs=2)["loss"], rtol=1e-6)
    assert_all_close(numbers(student), numbers(twin), rtol=1e-5, atol=1e-7)


# What is refused


@pytest.mark.parametrize("run_eagerly", [True, False])
@pytest.mark.parametrize("split", [True, False], ids=["split", "subclassed"])
def test_method_without_the_teacher_that_it_reads(run_eagerly, split):
    student = student_and_teacher()[0] if split else Rater(5, 4).split()
    distiller = Distiller(student, None, talking())
    distiller.compile("adam", loss="mse", run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match="TalkingModels learns from a teacher. Received: teacher="):
        fit(distiller)
    with pytest.raises(ValueError, match="Pass the teacher's split to tdrec.Distiller"):
        distiller.with_teacher_targets((X, Y))


def test_wrong_types_are_refused():
    student, teacher = student_and_teacher()
    model = student.layers[0]
    with pytest.raises(TypeError, match=r"`student` must be a ModelSplit, such as tdrec.split_mod"):
        Distiller(model, teacher, Scratch())
    with pytest.raises(TypeError, match="`teacher` must be a ModelSplit.* Received: <Functional"):
        Distiller(student, model, Scratch())
    with pytest.raises(TypeError, match="`method` must be a Method.* Received: 'td'"):
        Distiller(student, teacher, "td")


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(RuntimeError, match="TensorFlow and JAX. Received: 'torch'. Set KERAS_BA"):
        Distiller(*student_and_teacher(), Scratch())


def test_student_of_functions_without_an_owner_is_refused():
    model = small_model()
    functions = [lambda x, name=name: model.get_layer(name)(x) for name in ("low", "high", "out")]
    with pytest.raises(ValueError, match="Name their owner: tdrec.ModelSplit"):
        Distiller(ModelSplit(*functions), None, Scratch())


# Data with the teacher's targets


def test_batches_are_as_large_as_those_that_came():
    distiller = make()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)
    assert [len(y) for _, y in distiller.with_teacher_targets(data)] == [5, 5, 2]
    assert [len(y) for _, y in distiller.with_teacher_targets(data, batch_size=8)] == [8, 4]
    assert [len(y) for _, y in distiller.with_teacher_targets((X, Y))] == [12]
    dropped = distiller.with_teacher_targets(data, drop_remainder=True)
    assert [len(y) for _, y in dropped] == [5, 5]


def test_weights_and_targets_stay_with_their_rows():
    distiller = make(LabelDistillation())
    weight = X[:, 0]
    data = distiller.with_teacher_targets((X, Y, weight), batch_size=5, shuffle=True, seed=0)
    teacher = distiller.teacher.layers[0]
    for x, _, w in data:
        assert set(x["teacher_targets"]) == {"prediction"}
        np.testing.assert_array_equal(w, x["inputs"][:, 0])
        np.testing.assert_allclose(
            x["teacher_targets"]["prediction"], teacher(x["inputs"]), rtol=1e-5, atol=1e-6
        )


def test_method_that_reads_no_teacher_gets_the_plain_rows():
    distiller = make(Scratch())
    ((x, y),) = distiller.with_teacher_targets((X, Y))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_a_cache_serves_several_distillers():
    cache = TeacherTargets()
    splits = student_and_teacher()
    for method in (talking(1), talking(2)):  # they read the same fields
        make(method, teacher=splits[1]).with_teacher_targets((X, Y), cache=cache)
    assert len(cache._traces) == 1


def test_empty_data_is_refused():
    empty = tf.data.Dataset.from_tensor_slices((X[:0], Y[:0])).batch(4)
    with pytest.raises(ValueError, match="at least one batch. Received: an empty dataset"):
        make().with_teacher_targets(empty)


def two_heads(low, high, name):
    """A model with the outputs "rating" and "click"."""
    x = inputs = keras.Input((X.shape[1],))
    x = keras.layers.Dense(low, "tanh", name="low")(x)
    x = keras.layers.Dense(high, "tanh", name="high")(x)
    heads = {n: keras.layers.Dense(1, name=n)(x) for n in ("rating", "click")}
    return keras.Model(inputs, heads, name=name)


@pytest.mark.parametrize("stored", [False, True])
def test_one_output_of_several_is_distilled(stored):
    keras.utils.set_random_seed(0)
    student, teacher = two_heads(5, 4, "student"), two_heads(7, 6, "teacher")
    distiller = Distiller(
        split_model(student, "low", "high", output="rating"),
        split_model(teacher, "low", "high", output="rating"),
        LabelDistillation(weight=2.0),
    )
    distiller.compile(keras.optimizers.SGD(0.05), loss={"rating": "mse", "click": "mse"})
    y = {"rating": Y, "click": 0.5 * Y}
    own, its = student.predict(X, verbose=0), teacher.predict(X, verbose=0)
    expected = {
        "task_loss": sum(np.mean((own[n] - y[n]) ** 2) for n in y),
        "label_loss": 2.0 * np.mean((own["rating"] - its["rating"]) ** 2),
    }
    data = distiller.with_teacher_targets((X, y), batch_size=12) if stored else (X, y)
    if not stored:
        data = tf.data.Dataset.from_tensors(data)
    history = distiller.fit(data, verbose=0, shuffle=False).history
    for name, value in expected.items():
        np.testing.assert_allclose(history[name], [value], rtol=1e-5, err_msg=name)
    assert set(distiller.predict(X, verbose=0)) == {"rating", "click"}


def test_several_outputs_and_none_named():
    student, teacher = two_heads(5, 4, "student"), two_heads(7, 6, "teacher")
    splits = split_model(student, "low", "high"), split_model(teacher, "low", "high")
    with pytest.raises(ValueError, match=r"a student with several.*output=KEY"):
        Distiller(*splits, LabelDistillation())
    distiller = Distiller(*splits, talking())  # states alone: no output is compared
    distiller.compile("sgd", loss={"rating": "mse", "click": "mse"})
    data = distiller.with_teacher_targets((X, {"rating": Y, "click": Y}))
    assert np.isfinite(distiller.fit(data, verbose=0, shuffle=False).history["loss"]).all()


def test_term_weights_scale_the_terms():
    plain, scaled = make(talking()), make(talking())
    scaled.term_weights["message_loss"].assign(3.0)
    scaled.term_weights["state_loss"].assign(0.0)
    first, second = fit(plain), fit(scaled)
    np.testing.assert_allclose(second["message_loss"], 3 * np.array(first["message_loss"]), 1e-6)
    assert second["state_loss"] == [0.0]
    parts = ("task_loss", *TD_TERMS)
    np.testing.assert_allclose(second["loss"], sum(second[name][0] for name in parts), 1e-6)
    assert not any(v.trainable for v in scaled.term_weights.values())
