"""TD for a model of two tasks, of which one is distilled: the rating, and not the liking.

    python examples/multi_task.py

Both tasks stand on the same hidden layers, so student and teacher exchange messages about both. The
teacher's opinion of the outputs is wanted for ratings only: `output="rating"` names the one that
label distillation compares. The student learns what is liked from its labels.

It also shows how two methods are put together, `tdrec.Sum`.

Prints, for both models on later rows, the RMSE of the ratings and the AUC of the likings.
"""

from typing import Any

import keras
import movielens
import numpy as np

import tdrec
from tdrec.data import FeatureEncoder, Ratings, split_by_time

LIKED = 4.0  # the lowest rating of a movie that was liked


def two_tasks(encoder: FeatureEncoder, mean: float, dim: int, units: int, name: str) -> keras.Model:
    """Embeddings of user and movie, two shared layers, and a head for each task."""
    inputs = {key: keras.Input((), dtype="int32", name=key) for key in ("user", "movie")}
    embeddings = [
        keras.layers.Embedding(encoder.users.size, dim)(inputs["user"]),
        keras.layers.Embedding(encoder.movies.size, dim)(inputs["movie"]),
    ]
    x = keras.layers.Concatenate()(embeddings)
    x = keras.layers.Dense(units, activation="relu", name="shared_1")(x)
    x = keras.layers.Dense(units // 2, activation="relu", name="shared_2")(x)
    start = keras.initializers.Constant(mean)
    outputs = {
        "rating": keras.layers.Dense(1, bias_initializer=start, dtype="float32", name="rating")(x),
        "liked": keras.layers.Dense(1, dtype="float32", name="liked")(x),
    }
    return keras.Model(inputs, outputs, name=name)


def labels(ratings: Ratings) -> dict[str, np.ndarray]:
    values = ratings.values[:, None]
    return {"rating": values, "liked": (values >= LIKED).astype("float32")}


def train(
    model: keras.Model,
    dataset: Any,
    epochs: int = 3,
    steps_per_epoch: int | None = None,
    jit_compile: bool | str = "auto",
) -> None:
    model.compile(
        "adam",
        loss={"rating": "mse", "liked": keras.losses.BinaryCrossentropy(from_logits=True)},
        metrics={
            "rating": keras.metrics.RootMeanSquaredError(name="rmse"),
            "liked": keras.metrics.AUC(from_logits=True, name="auc"),
        },
        jit_compile=jit_compile,
    )
    model.fit(dataset, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=2)


def main(**options: Any) -> dict[str, dict[str, float]]:
    """Trains both models with the options of `train`; returns their scores on later rows."""
    keras.utils.set_random_seed(0)
    holdout = split_by_time(movielens.load_ratings())
    encoder = FeatureEncoder.fit(holdout.train)
    mean = float(holdout.train.values.mean())
    x = movielens.features(encoder, holdout.train, "user", "movie")
    dataset = movielens.shuffled(x, labels(holdout.train))

    teacher = two_tasks(encoder, mean, dim=64, units=256, name="teacher")
    train(teacher, dataset, **options)

    student = two_tasks(encoder, mean, dim=8, units=64, name="student")
    distiller = tdrec.Distiller(
        tdrec.split_model(student, low="shared_1", high="shared_2", output="rating"),
        tdrec.split_model(teacher, low="shared_1", high="shared_2", output="rating"),
        tdrec.Sum([tdrec.TalkingModels(rounds=2), tdrec.LabelDistillation()]),
    )
    train(distiller, dataset, **options)

    x, y = movielens.features(encoder, holdout.test, "user", "movie"), labels(holdout.test)
    # A distiller evaluates its student.
    scores = {
        name: model.evaluate(x, y, batch_size=1024, verbose=0, return_dict=True)
        for name, model in (("teacher", teacher), ("student", distiller))
    }
    for name, score in scores.items():
        print(f"{name}: RMSE {score['rating_rmse']:.4f}, AUC {score['liked_auc']:.4f}")
    return scores


if __name__ == "__main__":
    main()
