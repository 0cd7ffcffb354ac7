"""TD with subclassed models: the three rooms are handed over as methods.

    python examples/subclassed.py

`tdrec.split_model` cuts models that have a graph. A subclassed model has none, so it says itself
where it can be cut, by a `call` in three parts:

    lower   embed(x)     -> lower hidden state
    middle  refine(low)  -> higher hidden state
    head    rate(high)   -> prediction

A room that takes `training` is told when dropout acts; one that does not take it is never told.

Prints the RMSE of both models on later rows.
"""

from typing import Any

import keras
import movielens
from keras import ops

import tdrec
from tdrec.data import FeatureEncoder, split_by_time


@keras.saving.register_keras_serializable(package="examples")
class Recommender(keras.Model):
    """Predicts a rating `(batch, 1)` from the indices of a user and a movie, `(batch,)` each."""

    def __init__(
        self, users: int, movies: int, mean: float, dim: int, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.config = {
            "users": users,
            "movies": movies,
            "mean": mean,
            "dim": dim,
            "dropout": dropout,
        }
        kind = {"dtype": self.dtype_policy}  # a reloaded model computes as it did
        self.user_embedding = keras.layers.Embedding(users, dim, **kind)
        self.movie_embedding = keras.layers.Embedding(movies, dim, **kind)
        self.lower = keras.layers.Dense(4 * dim, activation="relu", **kind)
        self.dropout = keras.layers.Dropout(dropout, **kind)
        self.upper = keras.layers.Dense(2 * dim, activation="relu", **kind)
        start = keras.initializers.Constant(mean)
        self.rating = keras.layers.Dense(1, bias_initializer=start, dtype="float32")

    def embed(self, x: dict[str, Any]) -> Any:
        pair = [self.user_embedding(x["user"]), self.movie_embedding(x["movie"])]
        return self.lower(ops.concatenate(pair, axis=-1))

    def refine(self, low: Any, training: bool = False) -> Any:
        return self.upper(self.dropout(low, training=training))

    def rate(self, high: Any) -> Any:
        return self.rating(high)

    def call(self, x: dict[str, Any], training: bool = False) -> Any:
        return self.rate(self.refine(self.embed(x), training=training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.config}


def split(model: Recommender) -> tdrec.ModelSplit:
    return tdrec.ModelSplit(lower=model.embed, middle=model.refine, head=model.rate)


def train(
    model: keras.Model,
    dataset: Any,
    epochs: int = 3,
    steps_per_epoch: int | None = None,
    jit_compile: bool | str = "auto",
) -> None:
    model.compile("adam", loss="mse", jit_compile=jit_compile)
    model.fit(dataset, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=2)


def main(**options: Any) -> tuple[float, float]:
    """Trains both models with the options of `train`; returns the teacher's and student's RMSE."""
    keras.utils.set_random_seed(0)
    holdout = split_by_time(movielens.load_ratings())
    encoder = FeatureEncoder.fit(holdout.train)
    x = movielens.features(encoder, holdout.train, "user", "movie")
    later = movielens.features(encoder, holdout.test, "user", "movie")
    dataset = movielens.shuffled(x, holdout.train.values)
    sizes = encoder.users.size, encoder.movies.size, float(holdout.train.values.mean())

    teacher = Recommender(*sizes, dim=64, dropout=0.2, name="teacher")
    train(teacher, dataset, **options)

    student = Recommender(*sizes, dim=8, dropout=0.1, name="student")
    distiller = tdrec.Distiller(split(student), split(teacher), tdrec.TalkingModels(rounds=2))
    train(distiller, dataset, **options)

    predictions = (m.predict(later, batch_size=1024, verbose=0) for m in (teacher, student))
    teacher_rmse, student_rmse = (movielens.rmse(p, holdout.test) for p in predictions)
    print(f"RMSE on later rows: teacher {teacher_rmse:.4f}, student {student_rmse:.4f}")
    return teacher_rmse, student_rmse


if __name__ == "__main__":
    main()
