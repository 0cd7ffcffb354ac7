"""Wide & deep: crossed features that are memorised, beside a deep part that generalises."""

import keras
import numpy as np
from keras import layers

import tdrec
from recommenders.recommender import ROWS, Recommender

CITIES, CUISINES, BUCKETS = 6, 5, 16


def data():
    random = np.random.default_rng(3)
    x = {
        "city": random.integers(0, CITIES, ROWS),
        "cuisine": random.integers(0, CUISINES, ROWS),
        "price": random.lognormal(3, 0.5, ROWS).astype("float32"),
    }
    stars = random.integers(1, 6, ROWS).astype("float32")
    return x, stars, random.uniform(0.5, 2, ROWS).astype("float32")


def wide_and_deep(dim, units):
    city, cuisine = (keras.Input((), dtype="int64", name=name) for name in ("city", "cuisine"))
    price = keras.Input((), name="price")
    crossed = layers.HashedCrossing(BUCKETS)((city, cuisine))
    wide = layers.CategoryEncoding(BUCKETS, output_mode="one_hot")(crossed)
    wide = layers.Dense(1, use_bias=False, kernel_regularizer="l1", name="wide")(wide)
    table = layers.Embedding(CITIES, dim)(city), layers.Embedding(CUISINES, dim)(cuisine)
    x = layers.Concatenate()([*table, layers.Reshape((1,))(price)])
    x = layers.BatchNormalization()(x)
    x = layers.Dense(units, "relu", name="deep_1")(x)
    x = layers.Dense(units // 2, "relu", name="deep_2")(x)
    stars = layers.Add(name="stars")([wide, layers.Dense(1)(x)])
    return keras.Model([city, cuisine, price], stars)


def distiller(student, teacher, **arguments):
    splits = (
        tdrec.split_model(model, low="deep_1", high="deep_2", carry=True)
        for model in (student, teacher)
    )
    method = tdrec.TalkingModels(rounds=2, message_dim=8, hidden_dim=8, label_weight=0.5)
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: wide_and_deep(3, 8),
    teacher=lambda: wide_and_deep(6, 16),
    data=data,
    compiled=lambda: {
        "optimizer": keras.optimizers.Ftrl(0.05),
        "loss": keras.losses.Huber(),
        "metrics": ["mae"],
        "weighted_metrics": [keras.metrics.RootMeanSquaredError(name="rmse")],
    },
    distiller=distiller,
    terms=(
        *("interaction_loss_1", "interaction_loss_2", "message_loss", "state_loss"),
        "label_loss",
    ),
    refused={"onnx": "looks values up itself", "litert": "looks values up itself"},
    on_jax=False,
)
