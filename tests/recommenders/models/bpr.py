"""Pairs of items, of which the user took the first: a `compute_loss` and metrics of its own."""

import keras
import numpy as np
from keras import layers, ops

import tdrec
from recommenders.recommender import ROWS, Recommender

USERS, ITEMS = 20, 15


def data():
    random = np.random.default_rng(9)
    x = {
        "user": random.integers(0, USERS, ROWS, "int32"),
        "taken": random.integers(0, ITEMS, ROWS, "int32"),
        "left": random.integers(0, ITEMS, ROWS, "int32"),
    }
    times = random.integers(1, 4, ROWS).astype("float32")
    return x, np.ones(ROWS), times  # Keras drops the weights of rows without labels


@keras.saving.register_keras_serializable(package="shop")
class PairwiseRanker(keras.Model):
    """Scores of the item that was taken and of the one that was left."""

    def __init__(self, dim, units, **kwargs):
        super().__init__(**kwargs)
        self.sizes = {"dim": dim, "units": units}
        self.users, self.items = layers.Embedding(USERS, dim), layers.Embedding(ITEMS, dim)
        self.hidden, self.score = layers.Dense(units, "relu"), layers.Dense(1)
        self.dropout = layers.Dropout(0.1)
        self.in_order = keras.metrics.Mean(name="in_order")

    def call(self, x, training=False):
        def score(item):
            pair = ops.concatenate([self.users(x["user"]), self.items(item)], axis=-1)
            return self.score(self.dropout(self.hidden(pair), training=training))

        return {"taken": score(x["taken"]), "left": score(x["left"])}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        apart = ops.squeeze(y_pred["taken"] - y_pred["left"], axis=-1)
        return ops.mean(sample_weight * ops.softplus(-apart)) + 1e-3 * ops.mean(apart**2)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.in_order.update_state(y_pred["taken"] > y_pred["left"])
        return self.get_metrics_result()

    def get_config(self):
        return {**super().get_config(), **self.sizes}


def distiller(student, teacher, **arguments):
    method = tdrec.Sum(
        [
            tdrec.LabelDistillation(task="regression", output="taken"),
            tdrec.LabelDistillation(task="regression", output="left"),
        ]
    )
    return tdrec.Distiller(student, teacher, method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: PairwiseRanker(4, 8),
    teacher=lambda: PairwiseRanker(8, 16),
    data=data,
    compiled=lambda: {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
    distiller=distiller,
    terms=("taken_label_loss", "left_label_loss"),
)
