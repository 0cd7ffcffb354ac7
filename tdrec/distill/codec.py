"""Codec: of what kind and size a method's message encoders and decoders are."""

from dataclasses import asdict, dataclass
from typing import Any

from tdrec.distill.messages import MessageDecoder, MessageEncoder, Shape, check_codec
from tdrec.distill.model_split import Trace


@dataclass(frozen=True)
class Codec:
    """Of what kind and size encoders and decoders are.

    Methods take one as `codec`, or its arguments as their own.

    Args:
        message_dim: Width of a message. Default 128, the paper's for MovieLens.
        hidden_dim: Units of a relu layer. Default 256, the paper's for MovieLens.
        dropout: Rate after it, in [0, 1). Default 0.
        linear: A single dense layer instead. Default False.

    Raises:
        ValueError: If a size is not a positive integer, or the dropout is not in [0, 1).

    Example:
        >>> method = TalkingModels(codec=Codec(message_dim=32, hidden_dim=64))
        >>> method.codec == TalkingModels(message_dim=32, hidden_dim=64).codec
        True

    Source:
        "Talking Models", arXiv 2310.03188, section 3.1 and appendix 6.2.
    """

    message_dim: int = 128
    hidden_dim: int = 256
    dropout: float = 0.0
    linear: bool = False

    def __post_init__(self) -> None:
        sizes = {"message_dim": self.message_dim, "hidden_dim": self.hidden_dim}
        check_codec("a codec", sizes, self.dropout)

    def encoder(self, shapes: Trace, **kwargs: Any) -> MessageEncoder:
        """An encoder of a model's states, built.

        Args:
            shapes: Of the model's trace.
            **kwargs: Those of `keras.layers.Layer`.
        """
        encoder = MessageEncoder(**asdict(self), **kwargs)
        encoder.build(shapes.low, shapes.high)
        return encoder

    def decoder(self, shapes: Trace, message_shape: Shape, **kwargs: Any) -> MessageDecoder:
        """A decoder to a model's states, built.

        Args:
            shapes: Of the model's trace.
            message_shape: Of what it decodes.
            **kwargs: Those of `keras.layers.Layer`.
        """
        own = arguments_of(self, "message_dim")
        decoder = MessageDecoder(shapes.low[-1], shapes.high[-1], **own, **kwargs)
        decoder.build(message_shape)
        return decoder


def take_codec(codec: Codec | None, kwargs: dict[str, Any], *without: str) -> Codec:
    """The codec that a method was given: whole, or by arguments of the same names.

    Args:
        codec: As given.
        kwargs: Further arguments, from which the codec's are taken away.
        *without: Names of what the method has no use for.

    Raises:
        ValueError: If both are given.
    """
    own = {name: kwargs.pop(name) for name in arguments_of(Codec(), *without) if name in kwargs}
    if codec is not None and own:
        raise ValueError(
            f"Encoders and decoders are described once. Received: codec={codec!r} and "
            f"{', '.join(own)}. Leave one of them out."
        )
    return codec or Codec(**own)


def arguments_of(codec: Codec, *without: str) -> dict[str, Any]:
    """A codec's arguments, as a method takes them: `take_codec` taken back."""
    return {name: value for name, value in asdict(codec).items() if name not in without}
