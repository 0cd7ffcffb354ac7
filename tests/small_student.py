"""A student of one table, and what else its export takes."""

import keras

from tdrec.data import Vocabulary


def small_student(size=3):
    user = keras.Input((), dtype="int32", name="user")
    x = keras.layers.Embedding(size, 2, embeddings_initializer="normal")(user)
    return keras.Model({"user": user}, keras.layers.Dense(1)(x), name="small")


SMALL = {"sample": {"user": [5, 6]}, "vocabularies": {"user": Vocabulary((5, 6))}}
