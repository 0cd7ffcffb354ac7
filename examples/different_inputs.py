"""TD between models that neither see nor predict the same: input maps, and a named output.

    python examples/different_inputs.py

The teacher sees user, movie, title and genres, with the vocabularies of all genres, and predicts
the rating and whether the movie was liked. The student sees user and movie, with the smaller
vocabularies of its genre, and predicts the rating. So a batch has the inputs of both,

    x = {"student": {"user", "movie"}, "teacher": {"user", "movie", "title", "genres"}}

and `input_map` takes each model's own. TD compares states, of any widths. Hybrid compares outputs
too, and the teacher's split says which: `output="rating"`. Any method takes the same splits.

Prints the RMSE on the genre's later rows of the teacher, and of a student by each method.
"""

from operator import itemgetter
from typing import Any

import keras
import movielens
from keras import ops

import tdrec
from tdrec.data import FeatureEncoder, split_by_time

GENRE = "Comedy"
LIKED = 4.0  # the lowest rating of a movie that was liked


def embed_ids(encoder: FeatureEncoder, dim: int) -> tuple[dict[str, Any], list[Any]]:
    """Inputs and embeddings of user and movie."""
    sizes = {"user": encoder.users.size, "movie": encoder.movies.size}
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in sizes}
    return inputs, [keras.layers.Embedding(sizes[name], dim)(inputs[name]) for name in sizes]


def hidden_layers(embeddings: list[Any], units: int) -> Any:
    x = keras.layers.Concatenate()(embeddings)
    x = keras.layers.Dense(units, activation="relu", name="low")(x)
    return keras.layers.Dense(units // 2, activation="relu", name="high")(x)


def rating_head(x: Any, mean: float) -> Any:
    start = keras.initializers.Constant(mean)
    return keras.layers.Dense(1, bias_initializer=start, dtype="float32", name="rating")(x)


def build_teacher(encoder: FeatureEncoder, mean: float, dim: int = 64) -> keras.Model:
    inputs, embeddings = embed_ids(encoder, dim)
    inputs["title"] = keras.Input((encoder.title_words,), dtype="int32", name="title")
    inputs["genres"] = keras.Input((len(encoder.genre_names),), name="genres")
    words = keras.layers.Embedding(encoder.words.size, dim)(inputs["title"])
    embeddings += [
        ops.mean(words, axis=1),
        keras.layers.Dense(dim, use_bias=False)(inputs["genres"]),
    ]
    x = hidden_layers(embeddings, units=256)
    liked = keras.layers.Dense(1, dtype="float32", name="liked")(x)
    return keras.Model(inputs, {"rating": rating_head(x, mean), "liked": liked}, name="teacher")


def build_student(encoder: FeatureEncoder, mean: float, dim: int = 8) -> keras.Model:
    inputs, embeddings = embed_ids(encoder, dim)
    rating = rating_head(hidden_layers(embeddings, units=64), mean)
    return keras.Model(inputs, rating, name="student")


def train(
    model: keras.Model,
    dataset: Any,
    loss: Any,
    epochs: int = 3,
    steps_per_epoch: int | None = None,
    jit_compile: bool | str = "auto",
) -> None:
    model.compile("adam", loss=loss, jit_compile=jit_compile)
    model.fit(dataset, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=2)


def main(**options: Any) -> dict[str, float]:
    """Trains all models with the options of `train`; returns the RMSE of each by its name."""
    keras.utils.set_random_seed(0)
    holdout = split_by_time(movielens.load_ratings())
    genre_train, genre_test = holdout.train.of_genre(GENRE), holdout.test.of_genre(GENRE)
    encoder, genre_encoder = FeatureEncoder.fit(holdout.train), FeatureEncoder.fit(genre_train)
    mean = float(genre_train.values.mean())

    teacher = build_teacher(encoder, mean)
    ratings = holdout.train.values[:, None]
    y = {"rating": ratings, "liked": ratings >= LIKED}
    loss = {"rating": "mse", "liked": keras.losses.BinaryCrossentropy(from_logits=True)}
    train(teacher, movielens.shuffled(encoder.encode(holdout.train), y), loss, **options)
    predictions = teacher.predict(encoder.encode(genre_test), batch_size=1024, verbose=0)
    scores = {"teacher": movielens.rmse(predictions["rating"], genre_test)}

    x = {
        "student": movielens.features(genre_encoder, genre_train, "user", "movie"),
        "teacher": encoder.encode(genre_train),
    }
    later = movielens.features(genre_encoder, genre_test, "user", "movie")
    teacher_split = tdrec.split_model(
        teacher, low="low", high="high", input_map=itemgetter("teacher"), output="rating"
    )
    for method in (tdrec.TalkingModels(rounds=2), tdrec.Hybrid()):
        student = build_student(genre_encoder, mean)
        student_split = tdrec.split_model(
            student, low="low", high="high", input_map=itemgetter("student")
        )
        distiller = tdrec.Distiller(student_split, teacher_split, method)
        train(distiller, movielens.shuffled(x, genre_train.values), "mse", **options)
        predictions = student.predict(later, batch_size=1024, verbose=0)
        scores[type(method).__name__] = movielens.rmse(predictions, genre_test)

    print("RMSE on later rows:", ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
    return scores


if __name__ == "__main__":
    main()
