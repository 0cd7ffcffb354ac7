"""The paper's rating model: embeddings of ids, title and genres, then two relu layers.

It takes whatever else is known of a row as well.

Source: "Talking Models", arXiv 2310.03188, appendix 6.2.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

LOW, HIGH = "low", "high"
"""Names of the two relu layers, where the model is cut."""

FEATURES, PREDICTION = "features", "prediction"
"""Names of the layer that joins what is known, and of the last one."""

_OPERATIONS = (
    *("greater", "cast", "expand_dims", "multiply", "sum", "sum_1", "maximum", "true_divide"),
)
"""What Keras calls what is done with words."""


@dataclass(frozen=True)
class Ids:
    """An input of indices, int32 `(batch,)`; `size` is how many there are, 0 included."""

    size: int


@dataclass(frozen=True)
class Category:
    """The same of a feature, such as a country, whose embedding is narrow if there are few."""

    size: int


@dataclass(frozen=True)
class Words:
    """An input of words, int32 `(batch, length)`, padded with 0; `size` is how many there are."""

    size: int
    length: int


@dataclass(frozen=True)
class Flags:
    """An input of flags, float32 `(batch, size)`."""

    size: int


@dataclass(frozen=True)
class Number:
    """An input of one number, float32 `(batch,)`."""


Kind = Ids | Category | Words | Flags | Number


def rating_mlp(
    inputs: Mapping[str, Kind],
    *,
    units: tuple[int, int] = (512, 256),
    id_dim: int = 100,
    text_dim: int = 50,
    dropout: float = 0.0,
    mean: float = 0.0,
    output: Literal["number", "probability"] = "number",
    name: str = "rating_mlp",
) -> keras.Model:
    r"""Predicts a rating from a user, a movie, its title and its genres, or a target from others.

    $\hat y = \bar y + w^\top relu(W_2\, relu(W_1 [u; m; t; g]))$, where $u$ and $m$ are embeddings
    of the ids, $t$ is the mean embedding of the title's words and $g$ the sum of the genres'. It is
    built of stock layers, so that a saved model loads with plain Keras.

    Args:
        inputs: By name what each input is; see the kinds above.
        units: Widths of the layers `"low"` and `"high"`. Default (512, 256), the paper's teacher;
            its student has (128, 64).
        id_dim: Width of an id's embedding. That of a category of n values is no wider than
            $1.6\, n^{0.56}$. Default 100.
        text_dim: Width of the embedding of words and of flags. Default 50.
        dropout: Rate on the joined embeddings and between the relu layers. Default 0. Keras's
            dropout is slow under XLA on a CPU, whose default random numbers are.
        mean: $\bar y$, where the output starts. Default 0.
        output: "number", or "probability" for the logistic function of the above, where $\bar y$
            is the mean of a target of 0 and 1. Default "number".
        name: The model's name.

    Returns:
        A functional model of a dict of the inputs; its output has the shape `(batch, 1)`.

    Example:
        >>> ids = {"user": Ids(752), "movie": Ids(1617)}
        >>> student = rating_mlp(
        ...     {**ids, "title": Words(900, 8), "genres": Flags(19)},
        ...     units=(128, 64), id_dim=25, text_dim=13,
        ... )
        >>> student.count_params()
        89349

    Source:
        Appendix 6.2 of the paper; the width of a category: fast.ai, `fastai.tabular`.
    """
    names = _layer_names(inputs)
    tensors = {each: _input(names[each], kind) for each, kind in inputs.items()}
    features = [
        _embedded(tensors[each], kind, names[each], id_dim, text_dim)
        for each, kind in inputs.items()
    ]
    x = keras.layers.Concatenate(name=FEATURES)(features)
    for layer_name, width in zip((LOW, HIGH), units, strict=True):
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{layer_name}_dropout")(x)
        x = keras.layers.Dense(width, activation="relu", name=layer_name)(x)
    activation = None
    if output == "probability":
        inside = min(max(mean, 1e-6), 1 - 1e-6)
        mean, activation = float(np.log(inside / (1 - inside))), "sigmoid"
    start = keras.initializers.Constant(mean)
    last = keras.layers.Dense(
        1, activation=activation, bias_initializer=start, dtype="float32", name=PREDICTION
    )
    return keras.Model(tensors, last(x), name=name)


def _layer_names(inputs: Iterable[str]) -> dict[str, str]:
    """What the layers of each input are called: as it, unless Keras or another layer forbids it."""
    taken = {FEATURES, LOW, HIGH, PREDICTION, f"{LOW}_dropout", f"{HIGH}_dropout", *_OPERATIONS}
    found = {}
    for each in inputs:
        name = re.sub(r"\W", "_", each, flags=re.ASCII)  # as names of TensorFlow are made of
        name = name if name[:1].isalnum() else f"x{name}"
        while taken & (own := {name, f"{name}_embedding", f"{name}_number"}):
            name += "_"
        taken |= own
        found[each] = name
    return found


def _input(name: str, kind: Kind) -> Any:
    shape = (kind.length,) if isinstance(kind, Words) else ()
    shape = (kind.size,) if isinstance(kind, Flags) else shape
    dtype = "float32" if isinstance(kind, Flags | Number) else "int32"
    return keras.Input(shape, dtype=dtype, name=name)


def _embedded(x: Any, kind: Kind, name: str, id_dim: int, text_dim: int) -> Any:
    if isinstance(kind, Ids):
        return keras.layers.Embedding(kind.size, id_dim, name=f"{name}_embedding")(x)
    if isinstance(kind, Category):
        width = min(id_dim, round(1.6 * kind.size**0.56))
        return keras.layers.Embedding(kind.size, width, name=f"{name}_embedding")(x)
    if isinstance(kind, Words):
        return _embed_bag(x, kind.size, text_dim, name)
    if isinstance(kind, Flags):
        return keras.layers.Dense(text_dim, use_bias=False, name=f"{name}_embedding")(x)
    return keras.layers.Reshape((1,), name=f"{name}_number")(x)


def _embed_bag(words: Any, size: int, width: int, name: str) -> Any:
    """Mean embedding of the words that are not padding."""
    present = ops.cast(words > 0, keras.config.floatx())
    vectors = keras.layers.Embedding(size, width, name=f"{name}_embedding")(words)
    total = ops.sum(vectors * ops.expand_dims(present, -1), axis=1)
    return total / ops.maximum(ops.sum(present, axis=1, keepdims=True), 1.0)
