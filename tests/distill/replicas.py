"""Trains distillers on one device or on two, and prints what came of it: run by test_replicas.py.

python tests/distill/replicas.py DEVICES [CASE ...]
"""

import json
import os
import sys

DEVICES = int(sys.argv[1])
JAX = os.environ.get("KERAS_BACKEND") == "jax"
if JAX:
    os.environ["XLA_FLAGS"] = (
        f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}"
    )

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import tdrec  # noqa: E402

random = np.random.default_rng(0)
X = {name: random.integers(0, 50, 64).astype("int32") for name in ("user", "movie")}
Y = random.normal(3, 1, 64).astype("float32")
WEIGHTS = random.uniform(0, 2, 64).astype("float32")


def strategy():
    if JAX:
        import jax

        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=jax.devices("cpu"))
        )
        return tf.distribute.get_strategy()
    if DEVICES == 1:
        return tf.distribute.get_strategy()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES
    )
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(DEVICES)])


def recommender(dim, low, high, name):
    inputs = {key: keras.Input((), dtype="int32", name=key) for key in X}
    pair = [keras.layers.Embedding(50, dim)(inputs[key]) for key in X]
    x = keras.layers.Dense(low, "tanh", name="low")(keras.layers.Concatenate()(pair))
    x = keras.layers.Dense(high, "tanh", name="high")(x)
    return keras.Model(inputs, keras.layers.Dense(1, kernel_regularizer="l2")(x), name=name)


def split(*sizes):
    return tdrec.split_model(recommender(*sizes), low="low", high="high")


# Smooth from end to end: at a kink another order of summation would show by more than rounding.
SIZES = {"hidden_dim": 8, "message_dim": 8, "linear": True}
METHODS = {
    "scratch": tdrec.Scratch,
    "ld": tdrec.LabelDistillation,
    "fd": lambda: tdrec.FeatureDistillation(**SIZES),
    "fitnet": lambda: tdrec.FitNet(hidden_dim=8, linear=True),
    "hybrid": lambda: tdrec.Hybrid(**SIZES),
    "td": lambda: tdrec.TalkingModels(**SIZES),
    "two teachers": lambda: tdrec.MultiTeacher(
        [tdrec.TalkingModels(1, **SIZES), tdrec.LabelDistillation()], weights="row"
    ),
}
CALLBACKS = {
    "balance": lambda: tdrec.BalanceTerms((X, Y), every=2),
    "ramp-up": lambda: tdrec.RampUp(2),
    "schedule": lambda: tdrec.TermSchedule({"message_loss": tdrec.warm_up(3)}),
}
CASES = [*METHODS, *CALLBACKS, "weights", "targets", "averages", "saved"]


def case(name, used):
    keras.utils.set_random_seed(1)
    with used.scope():
        student, teacher = split(4, 8, 8, "student"), split(8, 16, 8, "teacher")
        given = [teacher, split(6, 12, 4, "other")] if name == "two teachers" else teacher
        distiller = tdrec.Distiller(student, given, METHODS.get(name, METHODS["td"])())
        averaging = keras.optimizers.Adam(0.01, use_ema=True)
        optimizer = averaging if name == "averages" else keras.optimizers.SGD(0.01)
        distiller.compile(optimizer, loss="mse", metrics=["mae"])
    callbacks = [CALLBACKS[name]()] if name in CALLBACKS else []
    options = {"epochs": 2, "shuffle": False, "verbose": 0, "callbacks": callbacks}
    if name == "targets":
        history = distiller.fit(distiller.with_teacher_targets((X, Y), batch_size=32), **options)
    else:
        weights = WEIGHTS if name == "weights" else None
        history = distiller.fit(X, Y, sample_weight=weights, batch_size=32, **options)
    if name == "saved":
        distiller.save("distiller.keras")
        with used.scope():
            distiller = keras.saving.load_model("distiller.keras")
    found = {
        **history.history,
        "test": distiller.evaluate(X, Y, batch_size=32, verbose=0),
        "weights": [float(np.abs(w).sum()) for w in distiller.student.model.get_weights()],
    }
    return {key: np.ravel(value).tolist() for key, value in found.items()}


if __name__ == "__main__":
    used = strategy()
    print(json.dumps({name: case(name, used) for name in sys.argv[2:] or CASES}))
