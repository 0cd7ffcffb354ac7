"""Predicts ratings of MovieLens with TensorFlow Recommenders: a plain model, without a teacher.

Usage: python examples/tfrs_ranking.py [STEPS]

Without `TDREC_DATA`, and without TensorFlow Datasets, it runs on generated ratings and says so.
"""

import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TFRS needs Keras 2; to be said before TensorFlow starts

import tensorflow as tf
import tensorflow_recommenders as tfrs

from tdrec.data import Vocabulary, load, split_by_time

BATCH = 256


class Ranker(tfrs.Model):
    """A user's rating of a movie, from the two ids."""

    def __init__(self, users, movies):
        super().__init__()
        self.user_embedding = tf.keras.layers.Embedding(users, 16)
        self.movie_embedding = tf.keras.layers.Embedding(movies, 16)
        self.low = tf.keras.layers.Dense(64, "relu")
        self.high = tf.keras.layers.Dense(32, "relu")
        start = tf.keras.initializers.Constant(3.5)
        self.rating = tf.keras.layers.Dense(1, bias_initializer=start, dtype="float32")
        self.task = tfrs.tasks.Ranking(
            loss=tf.keras.losses.MeanSquaredError(),
            metrics=[tf.keras.metrics.RootMeanSquaredError(name="rmse")],
        )

    def lower(self, features):
        user = self.user_embedding(features["user"])
        movie = self.movie_embedding(features["movie"])
        return self.low(tf.concat([user, movie], axis=1))

    def call(self, features):
        return self.rating(self.high(self.lower(features)))

    def compute_loss(self, features, training=False):
        features = dict(features)  # XLA has it that the batch itself stays as it is
        rating = features.pop("rating")
        return self.task(rating, self(features))


def load_ratings():
    """Batches to train on, without end, batches of later ratings, and the numbers of ids."""
    ratings = load("auto")
    print(ratings.name, *ratings.warnings, sep="\n")
    holdout = split_by_time(ratings)
    users = Vocabulary.fit(holdout.train.user_ids)
    movies = Vocabulary.fit(holdout.train.movie_ids)

    def rows(part):
        features = {
            "user": users.lookup(part.user_ids),
            "movie": movies.lookup(part.movie_ids),
            "rating": part.values[:, None],
        }
        return tf.data.Dataset.from_tensor_slices(features)

    train = rows(holdout.train).shuffle(len(holdout.train), seed=0).repeat().batch(BATCH)
    return train, rows(holdout.test).batch(BATCH), (users.size, movies.size)


def fit(model, train, test, steps=300, jit_compile=None):
    """Trains the model for a number of steps; returns its RMSE on the later ratings."""
    model.compile(tf.keras.optimizers.Adam(0.001), jit_compile=jit_compile)
    model.fit(train, epochs=1, steps_per_epoch=steps, verbose=2)
    return model.evaluate(test, return_dict=True, verbose=0)["rmse"]


def main(**options):
    """Trains the model with the options of `fit`, and prints its RMSE on the later ratings."""
    tf.keras.utils.set_random_seed(0)
    train, test, sizes = load_ratings()
    print(f"RMSE {fit(Ranker(*sizes), train, test, **options):.4f}")


if __name__ == "__main__":
    main(steps=int(sys.argv[1]) if len(sys.argv) > 1 else 300)
