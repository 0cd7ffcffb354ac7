"""Distillers of small models, what they learn from, and their numbers."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from small_models import inputs_and_ratings, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import (
    FeatureDistillation,
    FitNet,
    Hybrid,
    LabelDistillation,
    TalkingModels,
)
from tdrec.distill.model_split import ModelSplit

X, Y = inputs_and_ratings()
SIZES = {"message_dim": 6, "hidden_dim": 9}
TD_TERMS = ["interaction_loss_1", "message_loss", "state_loss"]


def talking(rounds=1, linear=True, **arguments):
    return TalkingModels(rounds, **SIZES, linear=linear, **arguments)


METHODS = {
    "ld": LabelDistillation,
    "fd": lambda: FeatureDistillation(**SIZES),
    "fitnet": lambda: FitNet(hidden_dim=9),
    "hybrid": lambda: Hybrid(**SIZES),
    "td": lambda: talking(2, linear=False),
}


def make_distiller(
    method=None, *, seed=0, student=None, teacher=None, optimizer="adam", **compiling
):
    """A compiled distiller of small models; eager, since most tests take a few steps."""
    keras.utils.set_random_seed(seed)
    splits = student_and_teacher()
    student, teacher = student or splits[0], teacher or splits[1]
    distiller = Distiller(student, teacher, method or talking())
    arguments = {"loss": "mse", "run_eagerly": True, **compiling}
    distiller.compile(optimizer, **arguments)
    return distiller


def fit(distiller, x=X, y=Y, **arguments):
    arguments = {"batch_size": 12, "shuffle": False, "verbose": 0, **arguments}
    if isinstance(x, tf.data.Dataset):
        del arguments["batch_size"], arguments["shuffle"]
        return distiller.fit(x, **arguments).history
    return distiller.fit(x, y, **arguments).history


def numbers(layer):
    return [v.numpy() for v in layer.variables]


def student_of(distiller):
    return distiller.student.layers[0]


def assert_all_close(mine, its, **tolerance):
    for a, b in zip(mine, its, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


class Rater(keras.Model):
    """A subclassed model, which has no graph to cut."""

    def __init__(self, low, high):
        super().__init__()
        self.first = layers.Dense(low, "tanh")
        self.second = layers.Dense(high, "tanh")
        self.drop = layers.Dropout(0.2)
        self.last = layers.Dense(1)

    def embed(self, x):
        return self.first(x)

    def body(self, low, training=False):
        return self.drop(self.second(low), training=training)

    def call(self, x, training=False):
        return self.last(self.body(self.embed(x), training=training))

    def split(self):
        return ModelSplit(lower=self.embed, middle=self.body, head=self.last)
