"""MMoE: experts that two tasks share, mixed by a gate of each: is it clicked, how long seen."""

import keras
import numpy as np
from keras import layers, ops

import tdrec
from recommenders.recommender import ROWS, Recommender

USERS, VIDEOS = 20, 15


def data():
    random = np.random.default_rng(8)
    x = {"user": random.integers(0, USERS, ROWS), "video": random.integers(0, VIDEOS, ROWS)}
    click = random.integers(0, 2, ROWS).astype("float32")
    y = {"click": click, "minutes": click * random.lognormal(1, 0.5, ROWS).astype("float32")}
    everywhere = np.ones(ROWS, "float32")
    # How long a video is seen is known of those alone that are clicked; the teacher knows more.
    return x, y, tdrec.SampleWeights({"click": everywhere, "minutes": click}, everywhere)


@keras.saving.register_keras_serializable(package="shop")
class Mixture(layers.Layer):
    """Experts `(batch, experts, units)` by the shares of a gate, `(batch, experts)`."""

    def call(self, experts, shares):
        return ops.sum(experts * shares[..., None], axis=1)


def mmoe(dim, units, experts):
    inputs = {name: keras.Input((), dtype="int64", name=name) for name in ("user", "video")}
    table = (
        layers.Embedding(USERS, dim)(inputs["user"]),
        layers.Embedding(VIDEOS, dim)(inputs["video"]),
    )
    shared = layers.Dense(units, "relu", name="shared")(layers.Concatenate()(table))
    gates = {
        task: layers.Dense(experts, "softmax")(layers.Concatenate()(table))
        for task in ("click", "minutes")
    }
    x = layers.Dense(experts * units, "relu", name="experts")(shared)
    x = layers.Reshape((experts, units))(x)
    towers = {
        task: layers.Dense(units, "relu")(Mixture()(x, shares)) for task, shares in gates.items()
    }
    click = layers.Dense(1, name="click")(towers["click"])
    minutes = layers.Dense(1, "softplus", name="minutes")(towers["minutes"])
    return keras.Model(inputs, {"click": click, "minutes": minutes})


def distiller(student, teacher, **arguments):
    splits = (
        tdrec.split_model(model, low="shared", high="experts", carry=True)
        for model in (student, teacher)
    )
    method = tdrec.Sum(
        [
            tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8),
            tdrec.LabelDistillation(output="click"),
            tdrec.LabelDistillation(0.3, output="minutes"),
        ]
    )
    return tdrec.Distiller(*splits, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: mmoe(4, 4, experts=2),
    teacher=lambda: mmoe(8, 8, experts=4),
    data=data,
    compiled=lambda: {
        "optimizer": "adam",
        "loss": {
            "click": keras.losses.BinaryCrossentropy(from_logits=True),
            "minutes": keras.losses.MeanSquaredLogarithmicError(),
        },
        "loss_weights": {"click": 1.0, "minutes": 0.2},
        "metrics": {"click": keras.metrics.AUC(from_logits=True, name="auc")},
        "weighted_metrics": {"minutes": ["mae"]},
    },
    distiller=distiller,
    terms=(
        *("interaction_loss_1", "message_loss", "state_loss"),
        *("click_label_loss", "minutes_label_loss"),
    ),
)
