"""A causal transformer of what a user has seen: at each place the logits of what comes next.

Source: Kang and McAuley, "Self-Attentive Sequential Recommendation", arXiv 1808.09781; blocks with
the norm in front: Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

LOW, HIGH, TOKENS = "low", "high", "tokens"
"""Layers of every model made here: its embedded tokens, its last norm, and its embedding."""

PADDING = 0
"""The token of a place where nothing is."""


@keras.saving.register_keras_serializable(package="tdrec")
class TiedEmbedding(keras.layers.Layer):
    r"""Embeds tokens by what they are and where they stand, and scores items by the same vectors.

    Of tokens $t$ it gives $E_t + P$, of states $x$, with `scores=True`, $x E_c^\top + b_c$ for the
    items $c$ that are scored. Token 0 is padding: it is masked.

    Args:
        size: How many tokens there are, padding among them.
        length: Places of a sequence.
        dim: Width of a vector.
        scored: The tokens that are scored, in the order of the logits.
        **kwargs: Those of `keras.layers.Layer`.

    Example:
        >>> embedding = TiedEmbedding(size=5, length=3, dim=4, scored=[2, 3])
        >>> states = embedding(np.array([[4, 2, 0]]))
        >>> states.shape, embedding(states, scores=True).shape
        (TensorShape([1, 3, 4]), TensorShape([1, 3, 2]))
    """

    def __init__(
        self, size: int, length: int, dim: int, scored: Sequence[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size, self.length, self.dim = size, length, dim
        self.scored = [int(token) for token in scored]
        self.supports_masking = True

    def build(self, *_: Any) -> None:
        small = keras.initializers.RandomNormal(stddev=0.05)
        self.tokens = self.add_weight(shape=(self.size, self.dim), initializer=small, name="tokens")
        self.places = self.add_weight(
            shape=(self.length, self.dim), initializer=small, name="places"
        )
        self.bias = self.add_weight(shape=(len(self.scored),), initializer="zeros", name="bias")

    def call(self, x: Any, scores: bool = False) -> Any:
        if scores:
            vectors = ops.take(self.tokens, ops.convert_to_tensor(self.scored, "int32"), axis=0)
            return ops.matmul(x, ops.transpose(vectors)) + self.bias
        return ops.take(self.tokens, x, axis=0) + self.places

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        # Keras does not say here how the layer is called: tokens are integers, states are not.
        is_tokens = "int" in keras.backend.standardize_dtype(x.dtype)
        return ops.not_equal(x, PADDING) if is_tokens else mask

    def compute_output_spec(self, x: Any, scores: bool = False) -> keras.KerasTensor:
        width = len(self.scored) if scores else self.dim
        shape = (*x.shape[:-1], width) if scores else (*x.shape, width)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        names = ("size", "length", "dim", "scored")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def sequence_transformer(
    size: int,
    scored: Sequence[int],
    *,
    length: int = 64,
    dim: int = 64,
    blocks: int = 4,
    heads: int = 2,
    dropout: float = 0.0,
    name: str = "sequence_transformer",
) -> keras.Model:
    """A model of sequences of tokens that are padded at their end.

    Cut at `LOW` and `HIGH` its three rooms are what they look like: `lower` looks tokens up,
    `middle` reads the history, all blocks of it, and `head` scores. States have the shape `(batch,
    length, dim)`, and padding is masked. No token attends to a later one, so that what is said of a
    place depends on nothing after it, and padding is never looked at.

    Args:
        size: How many tokens there are, with padding, which is 0.
        scored: The tokens that can come next, in the order of the logits.
        length: Places of a sequence. Default 64.
        dim: Width of a token. Default 64.
        blocks: How many there are. Default 4.
        heads: Attention heads of a block. Default 2.
        dropout: Rate on the embedded tokens and after each half of a block. Default 0.
        name: The model's name.

    Returns:
        A functional model from int32 tokens `(batch, length)` to logits `(batch, length, scored)`.

    Raises:
        ValueError: If heads do not divide `dim`.

    Example:
        >>> teacher = sequence_transformer(10, range(1, 9), length=5, dim=8)
        >>> tdrec.split_model(teacher, low=LOW, high=HIGH).shapes
        Trace(low=(None, 5, 8), high=(None, 5, 8), prediction=(None, 5, 8))
    """
    if dim % heads:
        raise ValueError(f"`dim` must be a multiple of `heads`. Received: {dim} and {heads}.")
    tokens = keras.Input((length,), dtype="int32", name="history")
    embedding = TiedEmbedding(size, length, dim, scored, name=TOKENS)
    x = keras.layers.Dropout(dropout, name=LOW)(embedding(tokens))
    for number in range(1, blocks + 1):
        x = _block(x, dim, heads, dropout, f"block_{number}")
    x = keras.layers.LayerNormalization(epsilon=1e-6, name=HIGH)(x)
    return keras.Model(tokens, embedding(x, scores=True), name=name)


def without_blocks(model: keras.Model) -> keras.Model:
    """A model that scores what another one's last norm makes of its embedded tokens.

    Args:
        model: Of `sequence_transformer`, whose layers the result shares.
    """
    tokens = keras.Input(model.input_shape[1:], dtype="int32", name="history")
    embedding = model.get_layer(TOKENS)
    states = model.get_layer(HIGH)(embedding(tokens))
    return keras.Model(tokens, embedding(states, scores=True), name="without_blocks")


def _block(x: Any, dim: int, heads: int, dropout: float, name: str) -> Any:
    """Causal attention, then two dense layers, each added to what it was given."""
    normal = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm_1")(x)
    attention = keras.layers.MultiHeadAttention(heads, dim // heads, name=f"{name}_attention")
    read = attention(normal, normal, use_causal_mask=True)
    x = keras.layers.Add(name=f"{name}_read")([x, _dropped(read, dropout, f"{name}_dropout_1")])
    normal = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm_2")(x)
    hidden = keras.layers.Dense(2 * dim, activation="gelu", name=f"{name}_hidden")(normal)
    thought = keras.layers.Dense(dim, name=f"{name}_out")(hidden)
    return keras.layers.Add(name=name)([x, _dropped(thought, dropout, f"{name}_dropout_2")])


def _dropped(x: Any, rate: float, name: str) -> Any:
    return keras.layers.Dropout(rate, name=name)(x)
