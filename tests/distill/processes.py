"""Trains a distiller by one process of several on JAX, and prints what came of it.

python tests/distill/processes.py PROCESSES INDEX PORT, run by test_processes.py
"""

import json
import os
import sys

PROCESSES, INDEX, PORT = map(int, sys.argv[1:])
os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

import tdrec  # noqa: E402

ROWS, BATCH = 64, 32
random = np.random.default_rng(0)
X = {name: random.integers(0, 50, ROWS).astype("int32") for name in ("user", "movie")}
Y = random.normal(3, 1, ROWS).astype("float32")


def own(values):
    """The rows of this process: its part of each batch."""
    parts = values.reshape(ROWS // BATCH, PROCESSES, BATCH // PROCESSES)
    return parts[:, INDEX].reshape(-1)


def split(dim, low, high, name):
    inputs = {key: keras.Input((), dtype="int32", name=key) for key in X}
    pair = [keras.layers.Embedding(50, dim)(inputs[key]) for key in X]
    x = keras.layers.Dense(low, "tanh", name="low")(keras.layers.Concatenate()(pair))
    x = keras.layers.Dense(high, "tanh", name="high")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_regularizer="l2")(x), name=name)
    return tdrec.split_model(model, low="low", high="high")


def trained(method, targets, folder):
    keras.utils.set_random_seed(1)
    distiller = tdrec.Distiller(split(4, 8, 8, "student"), split(8, 16, 8, "teacher"), method)
    distiller.compile(keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    rows, labels = {key: own(values) for key, values in X.items()}, own(Y)
    options = {"epochs": 2, "shuffle": False, "verbose": 0}
    if targets:
        dataset = distiller.with_teacher_targets((rows, labels), batch_size=BATCH // PROCESSES)
        history = distiller.fit(dataset, **options)
    else:
        history = distiller.fit(rows, labels, batch_size=BATCH // PROCESSES, **options)
    student = distiller.student.model
    path = f"{folder}-{INDEX}.keras"
    student.save(path)
    again = keras.saving.load_model(path)
    for before, after in zip(student.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    weights = [float(np.abs(w).sum()) for w in student.get_weights()]
    found = {**history.history, "weights": weights}
    return {key: np.ravel(value).tolist() for key, value in found.items()}


if __name__ == "__main__":
    if PROCESSES > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            f"127.0.0.1:{PORT}",
            num_processes=PROCESSES,
            process_id=INDEX,
            initialization_timeout=60,
        )
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=jax.devices(), auto_shard_dataset=False)
        )
    sizes = {"hidden_dim": 8, "message_dim": 8, "linear": True}
    cases = {
        "td": (tdrec.TalkingModels(**sizes), False),
        "ld": (tdrec.LabelDistillation(), False),
        "targets": (tdrec.Hybrid(**sizes), True),
    }
    print(json.dumps({name: trained(*given, name) for name, given in cases.items()}))
