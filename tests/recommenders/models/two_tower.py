"""Two-tower retrieval: each user's item is told from those of the other rows of the batch.

There are no labels: who is right is known by the place in the batch, and popular items, which are
in many batches, are corrected for with keras-rs.
"""

import keras
import keras_rs
import numpy as np
from keras import layers, ops

import tdrec
from recommenders.recommender import ROWS, Recommender

USERS, ITEMS = 20, 12


def data():
    random = np.random.default_rng(4)
    share = np.arange(1, ITEMS + 1) / np.arange(1, ITEMS + 1).sum()
    item = random.choice(ITEMS, ROWS, p=share)
    x = {
        "user": random.integers(0, USERS, ROWS),
        "item": item,
        "item_share": share[item].astype("float32"),
    }
    return (x,)


def embedding(size, dim, name):
    ids = [keras.Input((), dtype="int64"), layers.Embedding(size, dim)]
    return keras.Sequential([*ids, layers.Dense(2 * dim, "relu")], name=name)


def projection(dim, name):
    hidden = [keras.Input((2 * dim,)), layers.Dense(dim), layers.UnitNormalization()]
    return keras.Sequential(hidden, name=name)


@keras.saving.register_keras_serializable(package="shop")
class TwoTower(keras.Model):
    """From users and items of a batch to the score of each user with each item."""

    def __init__(self, dim, temperature=0.2, **kwargs):
        super().__init__(**kwargs)
        self.dim, self.temperature = dim, temperature
        self.embed_user, self.embed_item = embedding(USERS, dim, "u"), embedding(ITEMS, dim, "i")
        self.project_user, self.project_item = projection(dim, "pu"), projection(dim, "pi")
        self.correct = keras_rs.layers.SamplingProbabilityCorrection()
        self.remove_hits = keras_rs.layers.RemoveAccidentalHits()
        self.crossentropy = keras.losses.CategoricalCrossentropy(from_logits=True)

    def build(self, input_shape):
        self.built = True  # as all of its parts are

    def embed(self, x):
        both = self.embed_user(x["user"]), self.embed_item(x["item"])
        return ops.concatenate(both, axis=-1)

    def project(self, low):
        user, item = ops.split(low, 2, axis=-1)
        return ops.concatenate([self.project_user(user), self.project_item(item)], axis=-1)

    def score(self, high):
        user, item = ops.split(high, 2, axis=-1)
        return ops.matmul(user, ops.transpose(item)) / self.temperature

    def call(self, x):
        return self.score(self.project(self.embed(x)))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        logits = self.correct(y_pred, x["item_share"])
        own = ops.eye(ops.shape(logits)[0], dtype=logits.dtype)
        logits = self.remove_hits(logits, own, x["item"])
        return self.crossentropy(own, logits, sample_weight)

    def query(self):
        """What is served: from a user to what items are searched by."""
        user = keras.Input((), dtype="int64", name="user")
        return keras.Model(user, self.project_user(self.embed_user(user)))

    def get_config(self):
        return {**super().get_config(), "dim": self.dim, "temperature": self.temperature}


def split(model):
    return tdrec.ModelSplit(lower=model.embed, middle=model.project, head=model.score)


def distiller(student, teacher, **arguments):
    # The teacher's scores of all items of the batch are classes, one of which is the user's own.
    labels = tdrec.LabelDistillation(task="classes", temperature=2.0)
    method = tdrec.Sum([tdrec.TalkingModels(rounds=1, message_dim=8, hidden_dim=8), labels])
    return tdrec.Distiller(split(student), split(teacher), method, **arguments)


RECOMMENDER = Recommender(
    student=lambda: TwoTower(4),
    teacher=lambda: TwoTower(8),
    data=data,
    compiled=lambda: {"optimizer": keras.optimizers.Adam(0.01)},
    distiller=distiller,
    terms=("interaction_loss_1", "message_loss", "state_loss", "label_loss"),
    served=TwoTower.query,
    raw=lambda x: x["user"],
    saved_whole=False,
)
