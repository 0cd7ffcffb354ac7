"""GRU4Rec: recurrent layers over padded sessions, the next item after all of it by softmax."""

import keras
import numpy as np
from keras import layers

import tdrec
from recommenders.recommender import ROWS, Recommender

ITEMS, LENGTH = 15, 5


def data():
    random = np.random.default_rng(7)
    there = np.arange(LENGTH) >= random.integers(0, LENGTH, (ROWS, 1))  # padded in front
    clicked = random.integers(1, ITEMS, (ROWS, LENGTH))
    return np.where(there, clicked, 0).astype("int32"), random.integers(1, ITEMS, ROWS)


def gru4rec(dim, units):
    session = keras.Input((LENGTH,), dtype="int32", name="session")
    x = layers.Embedding(ITEMS, dim, mask_zero=True)(session)
    x = layers.GRU(units, return_sequences=True, name="gru_1")(x)
    x = layers.GRU(units, return_sequences=True, name="gru_2")(x)
    x = layers.GRU(units, name="gru_3")(x)
    return keras.Model(session, layers.Dense(ITEMS, "softmax", name="next_item")(x))


def distiller(student, teacher, **arguments):
    splits = (tdrec.split_model(model, low="gru_1", high="gru_2") for model in (student, teacher))
    talking = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
    method = tdrec.Sum([talking, tdrec.LabelDistillation()])
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: gru4rec(4, 4),
    teacher=lambda: gru4rec(8, 8),
    data=data,
    compiled=lambda: {
        "optimizer": keras.optimizers.RMSprop(0.01, clipnorm=1.0),
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
    },
    distiller=distiller,
    refused={"litert": "built again with unroll=True"},
    terms=("interaction_loss_1", "message_loss", "state_loss", "label_loss"),
)
