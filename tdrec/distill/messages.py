"""Message encoder and decoder: how hidden states enter and leave the shared message space.

Source: "Talking Models", arXiv 2310.03188, section 3.1 and appendix 6.2.
"""

from typing import Any

import keras
from keras import ops

from tdrec.distill.masks import unmasked

Tensor = Any
Shape = tuple[int | None, ...]


def check_codec(name: str, sizes: dict[str, int], dropout: float) -> None:
    """Refuses widths that are no positive integers, and a dropout that is no rate."""
    for size_name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(
                f"The {size_name} of {name} must be a positive integer. Received: {size!r}."
            )
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must lie in [0, 1). Received: {dropout!r}.")


class _Perceptron(keras.layers.Layer):
    """What an encoder and a decoder share: layer norm, dense, relu, dropout, dense."""

    def __init__(
        self, widths: dict[str, int], hidden_dim: int, dropout: float, linear: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_codec(self.name, {**widths, "hidden_dim": hidden_dim}, dropout)
        self.supports_masking = True
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.linear = linear
        kind = {"dtype": self.dtype_policy}
        layers: list[keras.Layer] = [
            keras.layers.Dense(sum(widths.values()), name="output", **kind)
        ]
        if not linear:
            layers = [
                keras.layers.LayerNormalization(name="norm", **kind),
                keras.layers.Dense(hidden_dim, activation="relu", name="hidden", **kind),
                # Without a rate the layer would only cost random numbers.
                *([keras.layers.Dropout(dropout, name="dropout", **kind)] if dropout else []),
                *layers,
            ]
        self.body = keras.Sequential(layers, name="body")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "linear": self.linear,
        }


@keras.saving.register_keras_serializable(package="tdrec")
class MessageEncoder(_Perceptron):
    r"""Encodes a model's low and high hidden states into one message.

    $m = E(\{s; e\}) = W_2\, relu(W_1\, LayerNorm([s; e]))$ with dropout after the relu, on the
    last axis of the two states joined. States of rank 3 (a vector a token) give a message a token.

    Args:
        message_dim: Width of the message. Default 128, the paper's for MovieLens.
        hidden_dim: Units of the relu layer. Default 256, the paper's for MovieLens.
        dropout: Rate after the relu layer, in [0, 1). Default 0.
        linear: A single dense layer instead (the other form of section 3.1). Default False.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        low: Lower hidden state `s`, shape `(batch, ..., low_dim)`.
        high: Higher hidden state `e`, shape `(batch, ..., high_dim)`, alike but for the last axis.

    Returns:
        The message, shape `(batch, ..., message_dim)`.

    Raises:
        ValueError: If a size is not a positive integer, the dropout is not in [0, 1), or the two
            states cannot be joined.

    Example:
        >>> message = MessageEncoder(message_dim=128)(ops.ones((4, 512)), ops.ones((4, 256)))
        >>> ops.shape(message)
        (4, 128)

    Source:
        Section 3.1 and appendix 6.2 of the paper.
    """

    def __init__(
        self,
        message_dim: int = 128,
        hidden_dim: int = 256,
        dropout: float = 0.0,
        linear: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__({"message_dim": message_dim}, hidden_dim, dropout, linear, **kwargs)
        self.message_dim = message_dim

    def build(self, low_shape: Shape, high_shape: Shape) -> None:
        low_shape, high_shape = tuple(low_shape), tuple(high_shape)
        if low_shape[:-1] != high_shape[:-1]:
            raise ValueError(
                "The low and the high state must agree on every axis but the last, to be joined "
                f"into one message. Received: shapes {low_shape} and {high_shape}. "
                "Cut the model where both states are a vector an example, or both one a token."
            )
        self.body.build((*low_shape[:-1], (low_shape[-1] or 0) + (high_shape[-1] or 0)))

    def call(self, low: Tensor, high: Tensor, training: bool = False) -> Tensor:
        return self.body(ops.concatenate([low, high], axis=-1), training=training)

    def compute_output_shape(self, low_shape: Shape, high_shape: Shape) -> Shape:
        return (*low_shape[:-1], self.message_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "message_dim": self.message_dim}


@keras.saving.register_keras_serializable(package="tdrec")
class MessageDecoder(_Perceptron):
    r"""Decodes a message into the hidden states of one model.

    $\{s'; e'\} = D(m) = W_2\, relu(W_1\, LayerNorm(m))$ with dropout after the relu, its output
    cut into the low and the high state.

    Args:
        low_dim: Width of the lower hidden state.
        high_dim: Width of the higher hidden state.
        hidden_dim: Units of the relu layer. Default 256, the paper's for MovieLens.
        dropout: Rate after the relu layer, in [0, 1). Default 0.
        linear: A single dense layer instead. Default False.
        **kwargs: Those of `keras.layers.Layer`.

    Call arguments:
        message: Shape `(batch, ..., message_dim)`.

    Returns:
        The decoded states `(low, high)`, shapes `(batch, ..., low_dim)` and
        `(batch, ..., high_dim)`.

    Raises:
        ValueError: If a size is not a positive integer, or the dropout is not in [0, 1).

    Example:
        >>> low, high = MessageDecoder(low_dim=512, high_dim=256)(ops.ones((4, 128)))
        >>> ops.shape(low), ops.shape(high)
        ((4, 512), (4, 256))

    Source:
        Section 3.1 and appendix 6.2 of the paper.
    """

    def __init__(
        self,
        low_dim: int,
        high_dim: int,
        hidden_dim: int = 256,
        dropout: float = 0.0,
        linear: bool = False,
        **kwargs: Any,
    ) -> None:
        widths = {"low_dim": low_dim, "high_dim": high_dim}
        super().__init__(widths, hidden_dim, dropout, linear, **kwargs)
        self.low_dim = low_dim
        self.high_dim = high_dim

    def build(self, message_shape: Shape) -> None:
        self.body.build(tuple(message_shape))

    def call(self, message: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        with unmasked(message):  # the decoder hands the mask on itself
            states = self.body(message, training=training)
        return states[..., : self.low_dim], states[..., self.low_dim :]

    def compute_mask(self, message: Tensor, previous_mask: Any = None) -> tuple[Any, Any]:
        return previous_mask, previous_mask

    def compute_output_shape(self, message_shape: Shape) -> tuple[Shape, Shape]:
        lead = tuple(message_shape[:-1])
        return (*lead, self.low_dim), (*lead, self.high_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "low_dim": self.low_dim, "high_dim": self.high_dim}
