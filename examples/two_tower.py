"""Two-tower retrieval with TD: user tower, movie tower, and the dot product of their embeddings.

    python examples/two_tower.py

No layer of such a model holds a whole state, since each tower has its own. Here the state of a row
is what both towers make of it, joined, so the rooms of `tdrec.ModelSplit` are three functions:

    lower   user and movie         -> both towers' lower halves, joined
    middle  both lower halves      -> both embeddings, joined
    head    both embeddings        -> the scores of the batch's users and movies

Embeddings have unit length. Without it all scores start near 0, where the task hardly pulls, and
distillation alone pulls the states of all rows together.

The student's towers are plain Keras models: one to index movies with, one to serve users with.

Prints how often a movie that a known user later liked is among the 100 that a model retrieves.
It needs keras-rs: pip install keras-rs
"""

from collections.abc import Callable
from typing import Any

import keras
import keras_rs
import movielens
import numpy as np
from keras import ops

import tdrec
from tdrec.data import FeatureEncoder, Ratings, split_by_time

TEMPERATURE = 0.2


def tower(size: int, dim: int, name: str) -> keras.Model:
    """From ids to embeddings `(batch, dim)`, in two halves."""
    lower = [
        # Without it Keras casts the ids to the compute dtype, and bfloat16 cannot count beyond 256.
        keras.Input((), dtype="int32"),
        keras.layers.Embedding(size, dim),
        keras.layers.Dense(2 * dim, activation="relu"),
    ]
    upper = [
        keras.layers.Dense(2 * dim, activation="relu"),
        keras.layers.Dense(dim),
        keras.layers.UnitNormalization(),
    ]
    halves = [keras.Sequential(lower, name="lower"), keras.Sequential(upper, name="upper")]
    return keras.Sequential([keras.Input((), dtype="int32"), *halves], name=name)


def all_scores(user: Any, movie: Any) -> Any:
    """Scores `(users, movies)` of their embeddings, in float32, since a softmax follows."""
    return ops.cast(ops.matmul(user, ops.transpose(movie)), "float32") / TEMPERATURE


def two_tower(encoder: FeatureEncoder, dim: int, name: str) -> keras.Model:
    """From a batch of users and movies to the scores of each user with each movie."""
    inputs = {key: keras.Input((), dtype="int32", name=key) for key in ("user", "movie")}
    user = tower(encoder.users.size, dim, "user_tower")(inputs["user"])
    movie = tower(encoder.movies.size, dim, "movie_tower")(inputs["movie"])
    return keras.Model(inputs, all_scores(user, movie), name=name)


def split(model: keras.Model) -> tdrec.ModelSplit:
    """Both towers side by side, as three rooms."""
    towers = model.get_layer("user_tower"), model.get_layer("movie_tower")
    lowers = [tower.get_layer("lower") for tower in towers]
    uppers = [tower.get_layer("upper") for tower in towers]

    def lower(x: dict[str, Any]) -> Any:
        user, movie = (f(ids) for f, ids in zip(lowers, (x["user"], x["movie"]), strict=True))
        return ops.concatenate([user, movie], axis=-1)

    def middle(low: Any) -> Any:
        user, movie = (f(half) for f, half in zip(uppers, ops.split(low, 2, -1), strict=True))
        return ops.concatenate([user, movie], axis=-1)

    def head(high: Any) -> Any:
        return all_scores(*ops.split(high, 2, axis=-1))

    return tdrec.ModelSplit(lower, middle, head, model=model)


def in_batch_softmax(popularity: np.ndarray) -> Callable[[Any, Any], Any]:
    """A loss that tells each user's movie from those of the other rows of the batch.

    Popular movies are in many batches, which is taken back: `score - log(popularity)`. A row with
    the same movie is no other movie, and is left out.

    Args:
        popularity: The share of the rows that have each movie, `(movies,)`.

    Returns:
        `loss(movie, scores)`, from `(batch,)` and `(batch, batch)` to `(batch,)`.
    """
    log_popularity = np.log(np.maximum(popularity, 1e-9)).astype("float32")

    def loss(movie: Any, scores: Any) -> Any:
        movie = ops.cast(movie, "int32")  # Keras hands over labels as floats
        rows = ops.arange(ops.shape(movie)[0])
        others = ops.not_equal(rows[:, None], rows[None, :])
        hits = ops.logical_and(ops.equal(movie[:, None], movie[None, :]), others)
        logits = ops.where(hits, -1e9, scores - ops.take(log_popularity, movie)[None, :])
        return keras.losses.sparse_categorical_crossentropy(rows, logits, from_logits=True)

    return loss


def train(
    model: keras.Model,
    dataset: Any,
    loss: Callable[[Any, Any], Any],
    epochs: int = 4,
    steps_per_epoch: int | None = None,
    jit_compile: bool | str = "auto",
) -> None:
    model.compile("adam", loss=loss, jit_compile=jit_compile)
    model.fit(dataset, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=2)


def recall(model: keras.Model, x: dict[str, np.ndarray], movies: int, k: int = 100) -> float:
    """Share of the rows whose movie is among the `k` that the model retrieves for their user."""
    index = model.get_layer("movie_tower").predict(np.arange(movies), batch_size=1024, verbose=0)
    users = model.get_layer("user_tower").predict(x["user"], batch_size=1024, verbose=0)
    retrieve = keras_rs.layers.BruteForceRetrieval(index, k=k, return_scores=False)
    retrieved = ops.convert_to_numpy(retrieve(users))
    return float(np.mean(np.any(retrieved == x["movie"][:, None], axis=1)))


def main(**options: Any) -> tuple[float, float]:
    """Trains both models with the options of `train`; returns both recalls, the teacher's first."""
    keras.utils.set_random_seed(0)
    holdout = split_by_time(movielens.load_ratings())
    encoder = FeatureEncoder.fit(holdout.train)
    movies = encoder.movies.size

    def liked(ratings: Ratings) -> dict[str, np.ndarray]:
        return movielens.features(encoder, ratings.take(ratings.values >= 4), "user", "movie")

    x, later = liked(holdout.train), liked(holdout.test)
    dataset = movielens.shuffled(x, x["movie"])
    loss = in_batch_softmax(np.bincount(x["movie"], minlength=movies) / len(x["movie"]))

    teacher = two_tower(encoder, dim=64, name="teacher")
    train(teacher, dataset, loss, **options)

    student = two_tower(encoder, dim=16, name="student")
    distiller = tdrec.Distiller(split(student), split(teacher), tdrec.TalkingModels(rounds=2))
    train(distiller, dataset, loss, **options)

    known = (later["user"] > 0) & (later["movie"] > 0)
    later = {name: ids[known] for name, ids in later.items()}
    teacher_recall, student_recall = (recall(m, later, movies) for m in (teacher, student))
    print(f"Recall@100 on later rows: teacher {teacher_recall:.3f}, student {student_recall:.3f}")
    return teacher_recall, student_recall


if __name__ == "__main__":
    main()
