"""SASRec: causal self-attention over padded sequences, the next item at each place by softmax."""

import keras
import numpy as np
from keras import layers, ops

import tdrec
from recommenders.recommender import ROWS, Recommender

ITEMS, LENGTH = 15, 6


def data():
    random = np.random.default_rng(6)
    there = np.arange(LENGTH) < random.integers(1, LENGTH + 1, (ROWS, 1))
    walk = (random.integers(0, ITEMS - 1, (ROWS, 1)) + 2 * np.arange(LENGTH + 1)) % (ITEMS - 1) + 1
    return np.where(there, walk[:, :-1], 0), np.where(there, walk[:, 1:], 0)


def sasrec(dim, heads):
    items = keras.Input((LENGTH,), dtype="int64", name="items")
    places = ops.add(ops.arange(LENGTH), ops.zeros_like(items))
    x = layers.Embedding(ITEMS, dim, mask_zero=True)(items)
    x = layers.Add()([x, layers.Embedding(LENGTH, dim)(places)])
    for i in (1, 2):
        normal = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(heads, dim // heads, dropout=0.1, seed=i)
        x = layers.Add()([x, attention(normal, normal, use_causal_mask=True)])
        hidden = layers.Dense(2 * dim, "relu")(layers.LayerNormalization()(x))
        x = layers.Add(name=f"block_{i}")([x, layers.Dense(dim)(hidden)])
    return keras.Model(items, layers.Dense(ITEMS, name="next_item")(x))


def distiller(student, teacher, **arguments):
    splits = (
        tdrec.split_model(model, low="block_1", high="block_2") for model in (student, teacher)
    )
    talking = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
    method = tdrec.Sum([talking, tdrec.LabelDistillation(temperature=2.0)])
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: sasrec(4, 1),
    teacher=lambda: sasrec(8, 2),
    data=data,
    compiled=lambda: {
        "optimizer": keras.optimizers.AdamW(0.01),
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "weighted_metrics": [keras.metrics.SparseTopKCategoricalAccuracy(3, name="hits")],
    },
    distiller=distiller,
    terms=("interaction_loss_1", "message_loss", "state_loss", "label_loss"),
)
