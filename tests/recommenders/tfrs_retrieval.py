"""Retrieval of TensorFlow Recommenders: two towers of raw names, taught by a wide model of Keras 3.

python tests/recommenders/tfrs_retrieval.py train FOLDER
python tests/recommenders/tfrs_retrieval.py read FOLDER

The first trains and writes what there is, the second reads it in another process.
"""

import os
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TFRS needs Keras 2; to be said before TensorFlow starts

import keras
import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

import tdrec
from tdrec.integrations.tfrs import Distillation

USERS = np.array([f"user-{i}" for i in range(12)])
TITLES = np.array([f"The {i}th movie" for i in range(10)])
TERMS = ("interaction_loss_1", "message_loss", "state_loss", "label_loss")


def rows():
    random = np.random.default_rng(0)
    features = {"user": random.choice(USERS, 40), "title": random.choice(TITLES, 40)}
    return tf.data.Dataset.from_tensor_slices(features).batch(16)


class Retriever(tfrs.Model):
    """Two towers, each of a lower and an upper half."""

    def __init__(self, teacher, dim=4):
        super().__init__()
        layers = tf.keras.layers
        self.user_lower, self.title_lower = (
            tf.keras.Sequential(
                [
                    layers.StringLookup(vocabulary=vocabulary),
                    layers.Embedding(len(vocabulary) + 1, dim),
                    layers.Dense(2 * dim, "relu"),
                ]
            )
            for vocabulary in (USERS, TITLES)
        )
        self.user_upper, self.title_upper = (layers.Dense(dim) for _ in "ab")
        candidates = tf.data.Dataset.from_tensor_slices(TITLES).batch(8)
        self.task = tfrs.tasks.Retrieval(
            metrics=tfrs.metrics.FactorizedTopK(candidates.map(self.title), ks=(3,))
        )
        student = tdrec.ModelSplit(self.lower, self.upper, self.scores)
        talking = tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8)
        labels = tdrec.LabelDistillation(task="classes")
        self.distillation = Distillation(student, teacher, tdrec.Sum([talking, labels]))

    def user(self, user):
        return self.user_upper(self.user_lower(user))

    def title(self, title):
        return self.title_upper(self.title_lower(title))

    def lower(self, features):
        lower = self.user_lower(features["user"]), self.title_lower(features["title"])
        return tf.concat(lower, axis=-1)

    def upper(self, low):
        user, title = tf.split(low, 2, axis=-1)
        return tf.concat([self.user_upper(user), self.title_upper(title)], axis=-1)

    def scores(self, high):
        user, title = tf.split(high, 2, axis=-1)
        return tf.matmul(user, title, transpose_b=True)

    def compute_loss(self, features, training=False):
        trace = self.distillation.trace(features, training=training)
        user, title = tf.split(trace.high, 2, axis=-1)
        loss = self.task(user, title, compute_metrics=not training)
        if training:
            loss += self.distillation(features, trace, training=training)
        return loss


def make_teacher(dim=8):
    """A trained two-tower model of Keras 3, in three rooms."""

    def lower(name, vocabulary):
        name = keras.Input((), dtype="string", name=name)
        index = keras.layers.StringLookup(vocabulary=vocabulary)(name)
        x = keras.layers.Embedding(len(vocabulary) + 1, dim)(index)
        return name, keras.layers.Dense(2 * dim, "relu")(x)

    (user, low_user), (title, low_title) = lower("user", USERS), lower("title", TITLES)
    low = keras.layers.Concatenate(name="low")([low_user, low_title])
    halves = keras.ops.split(low, 2, axis=-1)
    high = keras.layers.Concatenate(name="high")([keras.layers.Dense(dim)(h) for h in halves])
    user_part, title_part = keras.ops.split(high, 2, axis=-1)
    scores = keras.ops.matmul(user_part, keras.ops.transpose(title_part))
    teacher = keras.Model({"user": user, "title": title}, scores)
    return tdrec.split_model(teacher, low="low", high="high")


def make():
    tf.keras.utils.set_random_seed(0)
    keras.utils.set_random_seed(0)
    teacher = make_teacher()
    model = Retriever(teacher)
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    return model, teacher


def train(folder):
    """Trains the model, and writes its weights, its query tower and what both say."""
    model, teacher = make()
    before = [v.numpy() for v in teacher.layers[0].weights]
    model.fit(rows(), verbose=0)
    start = [v.numpy() for v in model.trainable_variables]
    logs = model.fit(rows(), verbose=0).history
    assert all(np.isfinite(logs[name]).all() and logs[name][0] > 0 for name in TERMS)
    for weight, value in zip(model.trainable_variables, start, strict=True):
        assert not np.array_equal(weight, value), weight.name
    for weight, value in zip(teacher.layers[0].weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    scores = model.evaluate(rows(), return_dict=True, verbose=0)
    assert 0 < scores["factorized_top_k/top_3_categorical_accuracy"] <= 1
    model.save_weights(folder / "retriever")
    serve = tf.function(model.user, input_signature=[tf.TensorSpec((None,), tf.string, "user")])
    tower = tf.Module()
    tower.layers, tower.serve = [model.user_lower, model.user_upper], serve
    tf.saved_model.save(tower, str(folder / "query"), signatures=serve)
    logs = model.fit(rows(), verbose=0).history
    np.savez(folder / "said.npz", total=scores["total_loss"], query=query(folder), **logs)


def query(folder):
    serve = tf.saved_model.load(str(folder / "query")).signatures["serving_default"]
    (embeddings,) = serve(user=tf.constant([*USERS, "nobody"])).values()
    return embeddings.numpy()


def read(folder):
    """The weights and the tower say what they said, and the training goes on."""
    said = np.load(folder / "said.npz")
    model, _ = make()
    model.load_weights(folder / "retriever")
    np.testing.assert_array_equal(query(folder), said["query"])
    np.testing.assert_array_equal(model.user(tf.constant([*USERS, "nobody"])), said["query"])
    loss = model.evaluate(rows(), return_dict=True, verbose=0)["total_loss"]
    np.testing.assert_array_equal(np.float32(loss), np.float32(said["total"]))
    logs = model.fit(rows(), verbose=0).history
    for name in ("loss", *TERMS):
        np.testing.assert_allclose(logs[name], said[name], rtol=1e-5, err_msg=name)


if __name__ == "__main__":
    {"train": train, "read": read}[sys.argv[1]](Path(sys.argv[2]))
