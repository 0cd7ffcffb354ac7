"""The paper's rating model: embeddings of ids, title and genres, then two relu layers.

Source: "Talking Models", arXiv 2310.03188, appendix 6.2.
"""

from typing import Any

import keras
from keras import ops

LOW, HIGH = "low", "high"
"""Names of the two relu layers, where the model is cut."""


def rating_mlp(
    sizes: dict[str, int],
    *,
    units: tuple[int, int] = (512, 256),
    id_dim: int = 100,
    text_dim: int = 50,
    dropout: float = 0.0,
    mean_rating: float = 0.0,
    name: str = "rating_mlp",
) -> keras.Model:
    r"""Predicts a rating from a user, a movie, its title and its genres.

    $\hat y = \bar y + w^\top relu(W_2\, relu(W_1 [u; m; t; g]))$, where $u$ and $m$ are embeddings
    of the ids, $t$ is the mean embedding of the title's words and $g$ the sum of the genres'. It is
    built of stock layers, so that a saved model loads with plain Keras.

    Args:
        sizes: The numbers of distinct indices: `"user"`, `"movie"` and `"word"`, each with the
            out-of-vocabulary 0, and `"genre"`; and `"title"`, the words of a title.
        units: Widths of the layers `"low"` and `"high"`. Default (512, 256), the paper's teacher;
            its student has (128, 64).
        id_dim: Width of an id's embedding. Default 100.
        text_dim: Width of the title's and of the genres' embedding. Default 50.
        dropout: Rate on the joined embeddings and between the relu layers. Default 0. Keras's
            dropout is slow under XLA on a CPU, whose default random numbers are.
        mean_rating: $\bar y$, where the output starts. Default 0.
        name: The model's name.

    Returns:
        A functional model of a dict of `"user"` and `"movie"`, int32 `(batch,)`, `"title"`, int32
        `(batch, title)` padded with 0, and `"genres"`, float32 `(batch, genre)`; its output has
        the shape `(batch, 1)`.

    Example:
        >>> sizes = {"user": 752, "movie": 1617, "word": 900, "genre": 19, "title": 8}
        >>> student = rating_mlp(sizes, units=(128, 64), id_dim=25, text_dim=13)
        >>> student.count_params()
        89349

    Source:
        Appendix 6.2 of the paper.
    """
    inputs = {
        "user": keras.Input((), dtype="int32", name="user"),
        "movie": keras.Input((), dtype="int32", name="movie"),
        "title": keras.Input((sizes["title"],), dtype="int32", name="title"),
        "genres": keras.Input((sizes["genre"],), dtype="float32", name="genres"),
    }
    features = [
        keras.layers.Embedding(sizes["user"], id_dim, name="user_embedding")(inputs["user"]),
        keras.layers.Embedding(sizes["movie"], id_dim, name="movie_embedding")(inputs["movie"]),
        _embed_bag(inputs["title"], sizes["word"], text_dim, "title"),
        keras.layers.Dense(text_dim, use_bias=False, name="genres_embedding")(inputs["genres"]),
    ]
    x = keras.layers.Concatenate(name="features")(features)
    for layer_name, width in zip((LOW, HIGH), units, strict=True):
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{layer_name}_dropout")(x)
        x = keras.layers.Dense(width, activation="relu", name=layer_name)(x)
    start = keras.initializers.Constant(mean_rating)
    rating = keras.layers.Dense(1, bias_initializer=start, dtype="float32", name="rating")(x)
    return keras.Model(inputs, rating, name=name)


def _embed_bag(words: Any, size: int, width: int, name: str) -> Any:
    """Mean embedding of the words that are not padding."""
    present = ops.cast(words > 0, keras.config.floatx())
    vectors = keras.layers.Embedding(size, width, name=f"{name}_embedding")(words)
    total = ops.sum(vectors * ops.expand_dims(present, -1), axis=1)
    return total / ops.maximum(ops.sum(present, axis=1, keepdims=True), 1.0)
