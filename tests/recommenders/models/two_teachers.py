"""Two teachers of one student: one of behaviour, which it talks with, and one of content."""

import keras
import numpy as np
from keras import layers

import tdrec
from recommenders.recommender import ROWS, Recommender

USERS, ITEMS, TAGS = 20, 15, 6


def data():
    random = np.random.default_rng(11)
    x = {
        "user": random.integers(0, USERS, ROWS, "int32"),
        "item": random.integers(0, ITEMS, ROWS, "int32"),
        "tags": random.integers(0, 2, (ROWS, TAGS)).astype("float32"),
    }
    stars = random.integers(1, 6, (ROWS, 1)).astype("float32")
    return x, stars, random.uniform(0.5, 1.5, ROWS).astype("float32")


def features():
    return {
        "user": keras.Input((), dtype="int32", name="user"),
        "item": keras.Input((), dtype="int32", name="item"),
        "tags": keras.Input((TAGS,), name="tags"),
    }


def rater(name, dim, units):
    """Ids and tags through two layers."""
    x = features()
    users, items = layers.Embedding(USERS, dim)(x["user"]), layers.Embedding(ITEMS, dim)(x["item"])
    y = layers.Concatenate()([users, items, x["tags"]])
    y = layers.Dense(units, "relu", name="low")(y)
    y = layers.Dense(units // 2, "relu", name="high")(y)
    return keras.Model(x, layers.Dense(1, name="stars")(y), name=name)


def content(units):
    """Tags against what a user likes of them, without any cut."""
    x = features()
    likes = layers.Embedding(USERS, TAGS)(x["user"])
    fits = layers.Dense(units, "tanh")(layers.Multiply()([likes, x["tags"]]))
    bias = layers.Embedding(ITEMS, 1)(x["item"])
    return keras.Model(x, layers.Add()([layers.Dense(1)(fits), bias]), name="content")


def committee():
    """Both teachers in one model, as the other recommenders have one."""
    x = features()
    return keras.Model(x, [rater("behaviour", 8, 16)(x), content(12)(x)], name="committee")


def distiller(student, teacher, teacher_path=None, **arguments):
    behaviour, of_content = (teacher.get_layer(name) for name in ("behaviour", "content"))
    if teacher_path is not None:  # a file for each
        arguments["teacher_path"] = [
            teacher_path.with_name(f"{model.name}.keras") for model in (behaviour, of_content)
        ]
        for model, file in zip((behaviour, of_content), arguments["teacher_path"], strict=True):
            model.save(file)
    mine, its = (tdrec.split_model(model, low="low", high="high") for model in (student, behaviour))
    talking = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
    method = tdrec.MultiTeacher([talking, tdrec.LabelDistillation(0.5)], weights="row")
    return tdrec.Distiller(mine, [its, of_content], method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: rater("student", 4, 8),
    teacher=committee,
    data=data,
    compiled=lambda: {
        "optimizer": keras.optimizers.Adam(0.01),
        "loss": "mse",
        "metrics": [keras.metrics.RootMeanSquaredError(name="rmse")],
    },
    distiller=distiller,
    terms=(
        "teacher_1_interaction_loss_1",
        "teacher_1_message_loss",
        "teacher_1_state_loss",
        "teacher_2_label_loss",
    ),
)
