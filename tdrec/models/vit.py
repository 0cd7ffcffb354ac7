"""ViT, the paper's image model, with each block a layer of its own that a split can name.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021; "Talking Models", arXiv
2310.03188, section 4.1 and appendices 6.2 and 6.5.
"""

from typing import Any

import keras


def block_name(number: int) -> str:
    """The name of a `ViT`'s block, counted from 1, to cut it there."""
    return f"transformer_block_{number}"


@keras.saving.register_keras_serializable(package="tdrec")
class ViT(keras.Model):
    r"""A Vision Transformer for classes, made of keras-hub's layers.

    An image is cut into patches, which are embedded as tokens after a class token; then
    $z_i = block_i(z_{i-1})$ and $\hat y = W\, LN(z_n)_{class}$. In keras-hub's `ViTBackbone` all
    blocks are one layer; here each is one, so that `split_model` cuts between them and every
    method works on the states of all tokens, `(batch, tokens, hidden_dim)`.

    Args:
        num_classes: Width of the output, the logits.
        image_size: Height and width in pixels. Default 224.
        patch_size: Of a patch. Default 32.
        num_layers: Blocks. Default 12.
        num_heads: Attention heads of a block. Default 12.
        hidden_dim: Width of a token. Default 768.
        mlp_dim: Hidden units of a block's MLP. Default 3072. With the defaults it is ViT-B/32.
        dropout: Rate on the embedded tokens, after attention and in the MLPs. Default 0.
        epsilon: Of the layer norms. Default 1e-6.
        approximate_gelu: Whether GELU is its approximation by tanh, as in JAX. Default False.
        dtype: Of the blocks, such as `"mixed_bfloat16"`; logits are float32. Default: Keras's.
        name: The model's name.

    Raises:
        ImportError: If keras-hub is missing.
        ValueError: If patches do not tile the image, or heads do not divide `hidden_dim`.

    Example:
        >>> sizes = {"num_layers": 4, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
        >>> teacher = ViT(10, image_size=32, patch_size=8, **sizes)
        >>> split = split_model(teacher, low=block_name(2), high=block_name(4))
        >>> split.shapes.low  # a class token, and a token a patch
        (None, 17, 16)
    """

    def __init__(
        self,
        num_classes: int,
        image_size: int = 224,
        patch_size: int = 32,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_dim: int = 768,
        mlp_dim: int = 3072,
        dropout: float = 0.0,
        epsilon: float = 1e-6,
        approximate_gelu: bool = False,
        dtype: Any = None,
        name: str = "vit",
        **kwargs: Any,
    ) -> None:
        for number, of, rule in (
            (image_size, patch_size, "`image_size` must be a multiple of `patch_size`"),
            (hidden_dim, num_heads, "`hidden_dim` must be a multiple of `num_heads`"),
        ):
            if number < 1 or of < 1 or number % of:
                raise ValueError(f"{rule}, both positive. Received: {number} and {of}.")
        if num_classes < 1 or num_layers < 1:
            raise ValueError(
                "`num_classes` and `num_layers` must be positive. "
                f"Received: {num_classes} and {num_layers}."
            )
        backbone = _keras_hub().models.ViTBackbone(
            image_shape=(image_size, image_size, 3),
            patch_size=patch_size,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            mlp_dim=mlp_dim,
            dropout_rate=dropout,
            layer_norm_epsilon=epsilon,
            data_format="channels_last",
            dtype=dtype,
        )
        embedding, encoder = backbone.layers[1:]
        x = embedding(backbone.input)
        if dropout:
            x = encoder.dropout(x)
        for block in encoder.encoder_layers:
            if approximate_gelu:
                block.mlp.dense_1.activation = _tanh_gelu
            x = block(x)
        tokens = encoder.layer_norm(x)
        head = keras.layers.Dense(
            num_classes, kernel_initializer="zeros", dtype="float32", name="head"
        )
        super().__init__(backbone.input, head(tokens[:, 0]), name=name, **kwargs)
        self.embedding, self.blocks = embedding, list(encoder.encoder_layers)
        self.norm, self.head = encoder.layer_norm, head
        self._sizes = {
            "num_classes": num_classes,
            "image_size": image_size,
            "patch_size": patch_size,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "mlp_dim": mlp_dim,
            "dropout": dropout,
            "epsilon": epsilon,
            "approximate_gelu": approximate_gelu,
            "dtype": keras.dtype_policies.serialize(keras.dtype_policies.get(dtype)),
        }

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self._sizes}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ViT":
        config = dict(config)
        dtype = keras.dtype_policies.deserialize(config.pop("dtype"))
        return cls(dtype=dtype, **config)


def first_blocks(teacher: ViT, num_layers: int, num_classes: int | None = None) -> ViT:
    """A student of a teacher's first blocks and its other weights, as copies.

    Args:
        teacher: A `ViT`.
        num_layers: How many of its blocks the student has.
        num_classes: The student's classes. Default None: the teacher's, with its head; otherwise
            the head starts at zero, as for fine-tuning.

    Returns:
        The student.

    Raises:
        ValueError: If the teacher has fewer blocks.

    Example:
        >>> student = first_blocks(vit, 1, num_classes=10)
        >>> len(vit.blocks), len(student.blocks)
        (2, 1)

    Source:
        Appendix 6.2 of the paper.
    """
    if not 1 <= num_layers <= len(teacher.blocks):
        raise ValueError(
            f"`num_layers` must be between 1 and the teacher's {len(teacher.blocks)}. "
            f"Received: {num_layers}."
        )
    config = {**teacher.get_config(), "num_layers": num_layers, "name": "student"}
    if num_classes is not None:
        config["num_classes"] = num_classes
    student = ViT.from_config(config)
    pairs = [
        (student.embedding, teacher.embedding),
        *zip(student.blocks, teacher.blocks, strict=False),
        (student.norm, teacher.norm),
    ]
    if num_classes is None:
        pairs.append((student.head, teacher.head))
    for mine, its in pairs:
        mine.set_weights(its.get_weights())
    return student


def _tanh_gelu(x: Any) -> Any:
    return keras.activations.gelu(x, approximate=True)


def _keras_hub() -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            "ViT is made of keras-hub's layers, which is missing. Install: "
            "pip install 'tdrec[images]'"
        ) from error
    return keras_hub
