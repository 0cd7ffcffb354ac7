"""DeepFM: a factorisation machine and a deep part of the same embeddings, added up to one click."""

import keras
import numpy as np
from keras import layers, ops

import tdrec
from recommenders.recommender import ROWS, Recommender

FIELDS = {"user": 20, "item": 15, "category": 5, "hour": 24}


def data():
    random = np.random.default_rng(2)
    x = {name: random.integers(0, size, ROWS, "int32") for name, size in FIELDS.items()}
    return x, random.integers(0, 2, (ROWS, 1))


@keras.saving.register_keras_serializable(package="shop")
class FactorisationMachine(layers.Layer):
    """The sum of the products of every two embeddings, `(batch, fields, dim)` -> `(batch, 1)`."""

    def call(self, embeddings):
        square_of_sum = ops.square(ops.sum(embeddings, axis=1))
        sum_of_squares = ops.sum(ops.square(embeddings), axis=1)
        return 0.5 * ops.sum(square_of_sum - sum_of_squares, axis=-1, keepdims=True)


def deepfm(dim, units):
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in FIELDS}
    linear = [layers.Embedding(size, 1)(inputs[name]) for name, size in FIELDS.items()]
    embeddings = [
        layers.Embedding(size, dim, embeddings_regularizer="l2")(inputs[name])
        for name, size in FIELDS.items()
    ]
    pairs = FactorisationMachine()(ops.stack(embeddings, axis=1))
    x = layers.Concatenate()(embeddings)
    x = layers.Dropout(0.1, seed=1)(layers.Dense(units, "relu", name="deep_1")(x))
    x = layers.Dense(units // 2, "relu", name="deep_2")(x)
    click = layers.Add()([*linear, pairs, layers.Dense(1)(x)])
    return keras.Model(inputs, layers.Activation("sigmoid", name="click")(click))


def distiller(student, teacher, **arguments):
    splits = (
        tdrec.split_model(model, low="deep_1", high="deep_2", carry=True)
        for model in (student, teacher)
    )
    talking = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
    method = tdrec.Sum([talking, tdrec.LabelDistillation(0.5)])
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: deepfm(4, 8),
    teacher=lambda: deepfm(8, 16),
    data=data,
    compiled=lambda: {
        "optimizer": "adam",
        "loss": "binary_crossentropy",
        "metrics": ["accuracy", keras.metrics.AUC(name="auc")],
    },
    distiller=distiller,
    terms=("interaction_loss_1", "message_loss", "state_loss", "label_loss"),
)
