"""The same model of TensorFlow Recommenders, taught by a wide one: what TD adds to a `tfrs.Model`.

Usage: python examples/tfrs_ranking_td.py [STEPS]

The teacher is a Keras 3 model. Compare with `tfrs_ranking.py`, whose model this one extends.
"""

import os
import sys

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TFRS needs Keras 2; to be said before TensorFlow starts

import keras  # this is Keras 3 nonetheless
from tfrs_ranking import Ranker, fit, load_ratings, tf

import tdrec
from tdrec.integrations.tfrs import Distillation


class TaughtRanker(Ranker):
    """A `Ranker` that also learns from a teacher."""

    def __init__(self, users, movies, teacher):
        super().__init__(users, movies)
        student = tdrec.ModelSplit(lower=self.lower, middle=self.high, head=self.rating)
        self.distillation = Distillation(student, teacher, tdrec.TalkingModels(rounds=2))

    def compute_loss(self, features, training=False):
        features = dict(features)  # XLA has it that the batch itself stays as it is
        rating = features.pop("rating")
        trace = self.distillation.trace(features, training=training)
        loss = self.task(rating, trace.prediction)
        if training:  # the teacher is not run to evaluate
            loss += self.distillation(features, trace, training=training)
        return loss


def train_teacher(train, users, movies, steps=300, jit_compile="auto"):
    """A Keras 3 model with four times the student's units, cut in three."""
    inputs = {name: keras.Input((), name=name, dtype="int32") for name in ("user", "movie")}
    x = keras.layers.Concatenate()(
        [
            keras.layers.Embedding(users, 64)(inputs["user"]),
            keras.layers.Embedding(movies, 64)(inputs["movie"]),
        ]
    )
    x = keras.layers.Dense(256, "relu", name="low")(x)
    x = keras.layers.Dense(128, "relu", name="high")(x)
    start = keras.initializers.Constant(3.5)
    rating = keras.layers.Dense(1, bias_initializer=start, dtype="float32")(x)
    teacher = keras.Model(inputs, rating)
    teacher.compile("adam", loss="mse", jit_compile=jit_compile)
    pairs = train.map(lambda row: ({name: row[name] for name in inputs}, row["rating"]))
    teacher.fit(pairs, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=2)
    return tdrec.split_model(teacher, low="low", high="high")


def main(**options):
    """Trains both models with the options of `fit`, and prints the RMSE of the taught one."""
    tf.keras.utils.set_random_seed(0)
    keras.utils.set_random_seed(0)
    train, test, sizes = load_ratings()
    teacher = train_teacher(train, *sizes, **options)
    print(f"RMSE {fit(TaughtRanker(*sizes, teacher), train, test, **options):.4f}")


if __name__ == "__main__":
    main(steps=int(sys.argv[1]) if len(sys.argv) > 1 else 300)
