"""Clicks, of which there are few: a Sequential model of pandas columns, with a class weight."""

import keras
import numpy as np
import pandas as pd
from keras import layers

import tdrec
from recommenders.recommender import ROWS, Recommender


def data():
    random = np.random.default_rng(10)
    x = pd.DataFrame(random.normal(size=(ROWS, 5)).astype("float32"))
    return x, pd.Series((random.random(ROWS) < 0.2).astype("int64"))


def click_model(units):
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.BatchNormalization(),
            layers.Dense(units, "relu"),
            layers.Dropout(0.1, seed=1),
            layers.Dense(units // 2, "relu"),
            layers.Dense(1, "sigmoid"),
        ]
    )


def distiller(student, teacher, **arguments):
    return tdrec.Distiller(student, teacher, tdrec.LabelDistillation(2.0), **arguments)


RECOMMENDER = Recommender(
    student=lambda: click_model(8),
    teacher=lambda: click_model(16),
    data=data,
    compiled=lambda: {
        "optimizer": keras.optimizers.Adam(0.01),
        "loss": "binary_crossentropy",
        "metrics": [keras.metrics.Recall(name="recall")],
    },
    fitting={"class_weight": {0: 0.6, 1: 4.0}},
    distiller=distiller,
    terms=("label_loss",),
)
