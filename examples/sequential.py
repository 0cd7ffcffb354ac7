"""Next-movie prediction with TD: a SASRec-like transformer, whose states are a vector a position.

    python examples/sequential.py

States have the shape `(batch, time, dim)`, so student and teacher exchange a message a position.
Sequences are padded at their end, and the sample weights, `(batch, time)`, are 0 there. They hold
for the labels and for the distillation alike, so nothing is learned from padding.

Prints how often a user's next movie is among a model's first ten, over the later rows.
"""

from typing import Any

import keras
import movielens
import numpy as np
from keras import ops

import tdrec
from tdrec.data import FeatureEncoder, Ratings, split_by_time

LENGTH = 16


def sasrec(movies: int, dim: int, blocks: int, name: str) -> keras.Model:
    """From the indices of a user's movies `(batch, time)` to logits of each next one."""
    ids = keras.Input((LENGTH,), dtype="int32", name="movies")
    positions = ops.cumsum(ops.ones_like(ids), axis=1) - 1
    x = keras.layers.Embedding(movies, dim)(ids) + keras.layers.Embedding(LENGTH, dim)(positions)
    for i in range(blocks):
        x = block(x, dim, f"block_{i}")
    return keras.Model(ids, keras.layers.Dense(movies, dtype="float32")(x), name=name)


def block(x: Any, dim: int, name: str) -> Any:
    """Causal attention, then two dense layers.

    Padding follows the movies, so no movie attends to it. The block ends with a layer norm, so
    that the states of both models are of one scale: they are compared.
    """
    attention = keras.layers.MultiHeadAttention(num_heads=2, key_dim=dim // 2)
    x = keras.layers.LayerNormalization()(x + attention(x, x, use_causal_mask=True))
    hidden = keras.layers.Dense(2 * dim, activation="relu")(x)
    return keras.layers.LayerNormalization(name=name)(x + keras.layers.Dense(dim)(hidden))


def windows(
    encoder: FeatureEncoder, ratings: Ratings, since: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each user's movies in the order of time, cut into windows of `LENGTH`.

    Args:
        encoder: Its movies are known; index 0 is padding, and any other movie.
        ratings: The rows.
        since: Timestamp of the first row to predict. Default 0: all are predicted.

    Returns:
        The movies, the next movies and the weights of these, `(windows, LENGTH)` each, of the
        windows that have a row to predict.
    """
    order = np.lexsort((ratings.timestamps, ratings.user_ids))
    movies = encoder.movies.lookup(ratings.movie_ids[order])
    counts = (movies > 0) & (ratings.timestamps[order] >= since)
    firsts = np.flatnonzero(np.diff(ratings.user_ids[order], prepend=0))
    lasts = np.append(firsts[1:], len(ratings)) - 1
    starts = [np.arange(first, last, LENGTH) for first, last in zip(firsts, lasts, strict=True)]
    lengths = [last - s for s, last in zip(starts, lasts, strict=True)]
    start, length = np.concatenate(starts)[:, None], np.concatenate(lengths)[:, None]
    here = np.arange(LENGTH) < length
    place = np.where(here, start + np.arange(LENGTH), 0)
    x, y = np.where(here, movies[place], 0), np.where(here, movies[place + 1], 0)
    weight = here & counts[place + 1]
    used = weight.any(axis=1)
    return x[used], y[used], weight[used].astype("float32")


def train(
    model: keras.Model,
    dataset: Any,
    epochs: int = 8,
    steps_per_epoch: int | None = None,
    jit_compile: bool | str = "auto",
) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss=loss, jit_compile=jit_compile)
    model.fit(dataset, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=2)


def hit_rate(model: keras.Model, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Share of the next movies, of those with a weight, that are among the first ten."""
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k=10)
    metric.update_state(y, model.predict(x, batch_size=1024, verbose=0), weight)
    return float(metric.result())


def main(**options: Any) -> tuple[float, float]:
    """Trains both models with the options of `train`; returns the teacher's and student's."""
    keras.utils.set_random_seed(0)
    ratings = movielens.load_ratings()
    holdout = split_by_time(ratings)
    encoder = FeatureEncoder.fit(holdout.train)
    dataset = movielens.shuffled(*windows(encoder, holdout.train), batch_size=128)

    teacher = sasrec(encoder.movies.size, dim=64, blocks=2, name="teacher")
    train(teacher, dataset, **options)

    student = sasrec(encoder.movies.size, dim=16, blocks=2, name="student")
    # At full weight TD would drown the task, whose gradient is small at first.
    weights = {f"{loss}_weight": 0.1 for loss in ("interaction", "message", "state")}
    distiller = tdrec.Distiller(
        tdrec.split_model(student, low="block_0", high="block_1"),
        tdrec.split_model(teacher, low="block_0", high="block_1"),
        tdrec.TalkingModels(message_dim=32, hidden_dim=64, **weights),
    )
    train(distiller, dataset, **options)

    later = windows(encoder, ratings, since=holdout.cut)
    teacher_rate, student_rate = hit_rate(teacher, *later), hit_rate(student, *later)
    print(f"Hit rate@10 on later rows: teacher {teacher_rate:.3f}, student {student_rate:.3f}")
    return teacher_rate, student_rate


if __name__ == "__main__":
    main()
