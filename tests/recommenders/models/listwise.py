"""Listwise ranking with keras-rs: the items of a page are scored together, and some are missing."""

import keras
import keras_rs
import numpy as np
from keras import layers, ops

import tdrec
from recommenders.recommender import ROWS, Recommender

USERS, ITEMS, PAGE = 20, 15, 6


def data():
    random = np.random.default_rng(5)
    there = np.arange(PAGE) < random.integers(2, PAGE + 1, (ROWS, 1))
    items = random.permuted(np.tile(np.arange(1, ITEMS), (ROWS, 1)), axis=1)[:, :PAGE]
    x = {"user": random.integers(0, USERS, ROWS), "items": np.where(there, items, 0)}
    relevance = np.where(there, random.integers(0, 4, (ROWS, PAGE)), -1).astype("float32")
    position = 1 / np.log2(2 + np.arange(PAGE))  # who is shown first is seen more often
    return x, relevance, (there / position).astype("float32")


def ranker(dim, units):
    user = keras.Input((), dtype="int64", name="user")
    items = keras.Input((PAGE,), dtype="int64", name="items")
    queries = layers.RepeatVector(PAGE)(layers.Embedding(USERS, dim)(user))
    x = layers.Concatenate()([queries, layers.Embedding(ITEMS, dim)(items)])
    x = layers.Dense(units, "relu", name="low")(x)
    x = layers.Dense(units // 2, "relu", name="high")(x)
    scores = ops.squeeze(layers.Dense(1)(x), axis=-1)
    return keras.Model({"user": user, "items": items}, scores)


def distiller(student, teacher, **arguments):
    splits = (tdrec.split_model(model, low="low", high="high") for model in (student, teacher))
    talking = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
    method = tdrec.Sum([talking, tdrec.LabelDistillation(task="regression")])
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: ranker(4, 8),
    teacher=lambda: ranker(8, 16),
    data=data,
    compiled=lambda: {
        "optimizer": "adam",
        "loss": keras_rs.losses.PairwiseLogisticLoss(),
        "weighted_metrics": [keras_rs.metrics.NDCG(k=3, name="ndcg")],
    },
    distiller=distiller,
    terms=("interaction_loss_1", "message_loss", "state_loss", "label_loss"),
)
