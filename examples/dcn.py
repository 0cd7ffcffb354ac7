"""A deep & cross network (DCN) that predicts ratings: a large one, and a small one for one genre.

    python examples/dcn.py
    python examples/dcn_td.py

The teacher learns from the ratings of all movies, the student from those of a genre. In dcn.py both
are trained with plain `fit`; in dcn_td.py the student learns from the teacher too. What that takes:

    diff examples/dcn.py examples/dcn_td.py

Prints the RMSE of both models on the genre's later rows. It needs keras-rs: pip install keras-rs
"""

from typing import Any

import keras
import keras_rs
import movielens

from tdrec.data import FeatureEncoder, split_by_time

GENRE = "Drama"
FEATURES = ("user", "movie", "genres")


def dcn(encoder: FeatureEncoder, mean: float, dim: int, units: int, name: str) -> keras.Model:
    """Embeddings of user, movie and genres, two cross layers, two deep layers, a rating."""
    inputs = {
        "user": keras.Input((), dtype="int32", name="user"),
        "movie": keras.Input((), dtype="int32", name="movie"),
        "genres": keras.Input((len(encoder.genre_names),), name="genres"),
    }
    embeddings = [
        keras.layers.Embedding(encoder.users.size, dim, name="user_embedding")(inputs["user"]),
        keras.layers.Embedding(encoder.movies.size, dim, name="movie_embedding")(inputs["movie"]),
        keras.layers.Dense(dim, use_bias=False, name="genres_embedding")(inputs["genres"]),
    ]
    x0 = x = keras.layers.Concatenate(name="features")(embeddings)
    x = keras_rs.layers.FeatureCross(name="cross_1")(x0, x)
    x = keras_rs.layers.FeatureCross(name="cross_2")(x0, x)
    x = keras.layers.Dense(units, activation="relu", name="deep_1")(x)
    x = keras.layers.Dense(units // 2, activation="relu", name="deep_2")(x)
    start = keras.initializers.Constant(mean)
    rating = keras.layers.Dense(1, bias_initializer=start, dtype="float32", name="rating")(x)
    return keras.Model(inputs, rating, name=name)


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
    genre_train, genre_test = holdout.train.of_genre(GENRE), holdout.test.of_genre(GENRE)
    encoder = FeatureEncoder.fit(holdout.train)
    mean = float(holdout.train.values.mean())

    x = movielens.features(encoder, holdout.train, *FEATURES)
    teacher = dcn(encoder, mean, dim=32, units=256, name="teacher")
    train(teacher, movielens.shuffled(x, holdout.train.values), **options)

    x = movielens.features(encoder, genre_train, *FEATURES)
    student = dcn(encoder, mean, dim=8, units=64, name="student")
    train(student, movielens.shuffled(x, genre_train.values), **options)

    x = movielens.features(encoder, genre_test, *FEATURES)
    predictions = (m.predict(x, batch_size=1024, verbose=0) for m in (teacher, student))
    teacher_rmse, student_rmse = (movielens.rmse(p, genre_test) for p in predictions)
    print(f"RMSE on later rows: teacher {teacher_rmse:.4f}, student {student_rmse:.4f}")
    return teacher_rmse, student_rmse


if __name__ == "__main__":
    main()
