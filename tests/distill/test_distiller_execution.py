"""A step trains alike however it runs: compiled, with scaled losses, or a second time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from small_distillers import (
    X,
    Y,
    assert_all_close,
    fit,
    make_distiller,
    numbers,
    student_of,
    talking,
)
from small_models import inputs_and_ratings
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation


@pytest.fixture(scope="module")
def plain_run():
    return run_for_comparison(jit_compile=False)


def run_for_comparison(**compiling):
    x, y = inputs_and_ratings(rows=16)
    distiller = make_distiller(
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
        distiller = make_distiller(talking(linear=False), run_eagerly=False)
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
        distiller = make_distiller(talking(), optimizer=optimizer)
        fit(distiller)
        weights.append(numbers(student_of(distiller)))
    assert_all_close(*weights, rtol=1e-5, atol=1e-6)


def test_same_seed_gives_the_same_weights():
    runs = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        distiller = make_distiller(talking(linear=False, dropout=0.3, noise=0.1), seed=seed)
        data = distiller.with_teacher_targets((X, Y), batch_size=6, shuffle=True, seed=seed)
        fit(distiller, data, epochs=2)
        runs.append(numbers(student_of(distiller)))
    for first, second in zip(*runs[:2], strict=True):
        assert first.tobytes() == second.tobytes()
    assert any(abs(a - b).max() > 1e-6 for a, b in zip(runs[0], runs[2], strict=True))


def with_a_lookup():
    """A teacher that looks up its ids, which XLA cannot compile."""
    inputs = keras.Input((1,), dtype="int64")
    x = keras.layers.IntegerLookup(vocabulary=[3, 5, 7])(inputs)
    x = keras.layers.Flatten()(keras.layers.Embedding(4, 3)(x))
    x = keras.layers.Dense(4, "tanh", name="low")(x)
    x = keras.layers.Dense(4, "tanh", name="high")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x), name="teacher")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="lookups are TensorFlow's")
@pytest.mark.parametrize("method", [LabelDistillation, lambda: talking(1)])
def test_a_teacher_that_xla_cannot_compile_runs_outside_of_the_step(method, recwarn):
    ids = np.array([[3], [5], [9], [7]], "int64")

    def trained(jit_compile):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((1,), dtype="int64")
        x = keras.layers.Flatten()(keras.layers.Embedding(10, 3)(inputs))
        x = keras.layers.Dense(4, "tanh", name="low")(x)
        x = keras.layers.Dense(4, "tanh", name="high")(x)
        student = keras.Model(inputs, keras.layers.Dense(1)(x), name="student")
        splits = [split_model(m, "low", "high") for m in (student, with_a_lookup())]
        distiller = Distiller(*splits, method())
        distiller.compile("sgd", loss="mse", jit_compile=jit_compile)
        history = distiller.fit(ids, np.ones((4, 1)), epochs=2, verbose=0, shuffle=False).history
        return history, distiller.jit_compile

    (expected, _), (found, compiled) = trained(False), trained(True)
    assert compiled == (method is LabelDistillation)
    warned = any("Proceeding with jit_compile=False" in str(w.message) for w in recwarn)
    assert warned != compiled
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)
