"""DLRM: raw ids and strings are looked up in the model, and every two features are multiplied."""

import keras
import keras_rs
import numpy as np
import tensorflow as tf
from keras import layers

import tdrec
from recommenders.recommender import BATCH, ROWS, Recommender

random = np.random.default_rng(0)
USERS = random.integers(2**33, 2**40, 12)
COUNTRIES = ["de", "fr", "jp", "us"]
COUNTS = random.lognormal(2, 1, (ROWS, 3)).astype("float32")


def data():
    random = np.random.default_rng(1)
    x = {
        "user_id": random.choice([*USERS, 7], ROWS),  # of 7 nothing is known
        "country": random.choice([*COUNTRIES, "br"], ROWS),
        "device": random.choice(["phone-4", "tv-77", "phone-5"], ROWS),
        "counts": COUNTS,
    }
    y = random.integers(0, 2, ROWS).astype("float32")
    return (tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH),)


def dlrm(dim, units):
    inputs = {
        "user_id": keras.Input((), dtype="int64", name="user_id"),
        "country": keras.Input((), dtype="string", name="country"),
        "device": keras.Input((), dtype="string", name="device"),
        "counts": keras.Input((3,), name="counts"),
    }
    lookups = {
        "user_id": layers.IntegerLookup(vocabulary=USERS),
        "country": layers.StringLookup(vocabulary=COUNTRIES),
        "device": layers.Hashing(8),
    }
    sizes = {"user_id": len(USERS) + 1, "country": len(COUNTRIES) + 1, "device": 8}
    embeddings = [
        layers.Embedding(size, dim)(lookups[name](inputs[name])) for name, size in sizes.items()
    ]
    normalize = layers.Normalization()
    normalize.adapt(np.log1p(COUNTS))
    dense = normalize(keras.ops.log1p(inputs["counts"]))
    dense = layers.Dense(dim, "relu")(layers.Dense(units, "relu")(dense))
    pairs = keras_rs.layers.DotInteraction()([dense, *embeddings])
    x = layers.Concatenate()([dense, pairs])
    x = layers.Dense(units, "relu", name="top_1")(x)
    x = layers.Dense(units // 2, "relu", name="top_2")(x)
    return keras.Model(inputs, layers.Dense(1, name="click")(x))


def distiller(student, teacher, **arguments):
    splits = (tdrec.split_model(model, low="top_1", high="top_2") for model in (student, teacher))
    method = tdrec.TalkingModels(rounds=2, message_dim=8, hidden_dim=8)
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: dlrm(4, 8),
    teacher=lambda: dlrm(8, 16),
    data=data,
    compiled=lambda: {
        "optimizer": keras.optimizers.Adagrad(0.05),
        "loss": keras.losses.BinaryCrossentropy(from_logits=True),
        "metrics": [keras.metrics.AUC(from_logits=True, name="auc")],
    },
    distiller=distiller,
    terms=("interaction_loss_1", "interaction_loss_2", "message_loss", "state_loss"),
    refused={"onnx": "looks values up itself", "litert": "looks values up itself"},
    on_jax=False,
)
