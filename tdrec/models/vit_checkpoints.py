"""Published ViT weights: Hugging Face's folders, and the `.npz` files of Google Research.

keras-hub's converter is not used: it reads neither `.npz` files nor checkpoints of a bare
`ViTModel`, such as `google/vit-base-patch32-224-in21k`, and takes every layer norm's epsilon to be
1e-6.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tdrec.models.vit import ViT
from tdrec.models.vit_files import CheckpointError as CheckpointError
from tdrec.models.vit_files import Config, Weights, weight_files
from tdrec.runtime.files import user_path


def load_vit(
    path: str | Path,
    *,
    num_classes: int | None = None,
    image_size: int | None = None,
    dropout: float = 0.0,
    dtype: Any = None,
) -> ViT:
    """A `ViT` with published weights.

    Args:
        path: A folder with `config.json` and `model.safetensors`, or its parts, as `transformers`
            saves a `ViTModel` or a `ViTForImageClassification`; or its `.safetensors` file; or an
            `.npz` file of google-research/vision_transformer.
        num_classes: For a new head, which starts at zero. Default None: the checkpoint's head.
        image_size: Pixels; the grid of position embeddings is resized bilinearly if the
            checkpoint's is another. Default None: the checkpoint's.
        dropout: Rate while training. Default 0.
        dtype: Of the blocks. Default None: Keras's.

    Returns:
        The `ViT`.

    Raises:
        CheckpointError: If a file is damaged or missing, lacks a weight, has one of another shape
            or one that is not finite, or is of another architecture; the message names the file and
            the weight, or the key of `config.json`.
        FileNotFoundError: If there is nothing at `path`.
        ImportError: If keras-hub, or safetensors for a folder, or SciPy for resizing is missing.

    Example:
        >>> teacher = load_vit(checkpoint, num_classes=10, image_size=24)
        >>> teacher.output_shape
        (None, 10)

    Source:
        The resizing: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, section 3.2.
    """
    path = user_path(path)
    files = weight_files(path)
    named = Weights(files)
    note = ""
    if files[0].suffix == ".npz":
        config, weights, head = _of_google(path, named)
    else:
        told = Config(files[0].parent / "config.json")
        config, weights, head = _of_transformers(told, named)
        if told.missing:
            note = (
                f" {told.file} has no {', '.join(told.missing)}: transformers' defaults are used."
            )
    if num_classes is None and head is None:
        raise CheckpointError(
            f"{path} has no head of its own (or one after a layer that ViT does not have). "
            "Give `num_classes` for a new one."
        )
    if num_classes is None:
        assert head is not None
        weights["head"] = head
        num_classes = head[0].shape[-1]
    config["image_size"] = image_size or config["image_size"]
    model = ViT(num_classes, dropout=dropout, dtype=dtype, **config)
    _resize_positions(weights["embedding"], model.embedding.num_positions)
    layers: dict[str, keras.Layer] = {"embedding": model.embedding, "norm": model.norm}
    layers |= {f"block {i}": block for i, block in enumerate(model.blocks)} | {"head": model.head}
    for name, values in weights.items():
        variables = layers[name].weights
        for variable, value in zip(variables, values, strict=True):
            if tuple(variable.shape) != value.shape:
                raise CheckpointError(
                    f"{path} is of another architecture than its sizes say: {name} must have "
                    f"{variable.path} of shape {tuple(variable.shape)}. Received: {value.shape}."
                    f"{note}"
                )
        layers[name].set_weights(values)
    return model


# What the readers return: arguments of `ViT`, the weights of each layer in the order of
# `layer.weights`, and those of the head, if there is one.
_Read = tuple[dict[str, Any], dict[str, list[NDArray[Any]]], list[NDArray[Any]] | None]


def _of_google(path: Path, named: Weights) -> _Read:
    if "conv_root/kernel" in named.names:
        raise CheckpointError(f"{path} must be of a plain ViT. Received: a hybrid with a ResNet.")
    kernel = named("embedding/kernel", None, None, 3, None)
    positions = named("Transformer/posembed_input/pos_embedding", 1, None, None)[0]
    blocks = {
        name.split("/")[1] for name in named.names if name.startswith("Transformer/encoderblock_")
    }
    first = "Transformer/encoderblock_0"
    attention = "MultiHeadDotProductAttention_1"
    config = {
        "patch_size": kernel.shape[0],
        "image_size": kernel.shape[0] * _side(path, positions),
        "hidden_dim": kernel.shape[-1],
        "num_layers": len(blocks),
        "num_heads": named(f"{first}/{attention}/query/kernel", None, None, None).shape[1],
        "mlp_dim": named(f"{first}/MlpBlock_3/Dense_0/kernel", None, None).shape[1],
        "approximate_gelu": True,  # Flax's `gelu`
    }

    def norm(prefix: str) -> list[NDArray[Any]]:
        return [named(f"{prefix}/scale", None), named(f"{prefix}/bias", None)]

    def dense(prefix: str, inputs: int = 1, outputs: int = 1) -> list[NDArray[Any]]:
        """Of kernels with so many axes."""
        kernel = named(f"{prefix}/kernel", *[None] * (inputs + outputs))
        return [kernel, named(f"{prefix}/bias", *[None] * outputs)]

    weights = {
        "embedding": [named("cls", 1, 1, None), kernel, named("embedding/bias", None), positions],
        "norm": norm("Transformer/encoder_norm"),
    }
    for i in range(len(blocks)):
        prefix = f"Transformer/encoderblock_{i}"
        weights[f"block {i}"] = [
            *norm(f"{prefix}/LayerNorm_0"),
            *(w for part in _ATTENTION[:3] for w in dense(f"{prefix}/{attention}/{part}", 1, 2)),
            *dense(f"{prefix}/{attention}/{_ATTENTION[3]}", 2, 1),
            *norm(f"{prefix}/LayerNorm_2"),
            *dense(f"{prefix}/MlpBlock_3/Dense_0"),
            *dense(f"{prefix}/MlpBlock_3/Dense_1"),
        ]
    own = "head/kernel" in named.names and "pre_logits/kernel" not in named.names
    return config, weights, dense("head") if own else None


_ATTENTION = ("query", "key", "value", "out")
_GELUS = {"gelu": False, "gelu_new": True, "gelu_pytorch_tanh": True}


def _of_transformers(config: Config, named: Weights) -> _Read:
    file = config.file
    kind, act = config["model_type"], config["hidden_act"]
    if kind != "vit" or not isinstance(act, str) or act not in _GELUS:
        raise CheckpointError(
            f"{file} must hold a ViT (`model_type` 'vit') with GELU (`hidden_act` "
            f"{', '.join(_GELUS)}). Received: {kind!r} with {act!r}."
        )
    config.one_of("num_channels", 3)
    has_bias = config.one_of("qkv_bias", True, False)
    heads, width = config.size("num_attention_heads"), config.size("hidden_size")
    if width % heads:
        raise config.refused("hidden_size", f"a multiple of `num_attention_heads`, {heads},")
    image, patch = config.side("image_size"), config.side("patch_size")
    if image % patch:
        raise config.refused("image_size", f"a multiple of `patch_size`, {patch},")
    sizes: dict[str, Any] = {
        "patch_size": patch,
        "image_size": image,
        "hidden_dim": width,
        "num_layers": config.size("num_hidden_layers"),
        "num_heads": heads,
        "mlp_dim": config.size("intermediate_size"),
        "epsilon": config.positive("layer_norm_eps"),
        "approximate_gelu": _GELUS[act],
    }
    # A classifier's weights are those of a bare model under "vit.".
    root = "vit." if any(name.startswith("vit.") for name in named.names) else ""
    positions = named(f"{root}embeddings.position_embeddings", 1, None, None)[0]
    if image != patch * _side(file, positions):
        raise config.refused("image_size", f"the side that {len(positions)} positions are of")
    if any(name.startswith(f"{root}encoder.layer.{sizes['num_layers']}.") for name in named.names):
        raise config.refused("num_hidden_layers", "the number of layers that there are weights of")

    def norm(prefix: str) -> list[NDArray[Any]]:
        return [named(f"{prefix}.weight", None), named(f"{prefix}.bias", None)]

    def dense(prefix: str) -> list[NDArray[Any]]:
        return [named(f"{prefix}.weight", None, None).T, named(f"{prefix}.bias", None)]

    def attention(prefix: str) -> Iterator[NDArray[Any]]:
        for part in _ATTENTION[:3]:
            name = f"{prefix}.attention.{part}"
            yield named(f"{name}.weight", width, width).T.reshape(width, heads, -1)
            bias = named(f"{name}.bias", width) if has_bias else np.zeros(width, np.float32)
            yield bias.reshape(heads, -1)
        name = f"{prefix}.output.dense"
        yield named(f"{name}.weight", width, width).T.reshape(heads, -1, width)
        yield named(f"{name}.bias", width)

    embeddings = f"{root}embeddings"
    projection = f"{embeddings}.patch_embeddings.projection"
    weights = {
        "embedding": [
            named(f"{embeddings}.cls_token", 1, 1, None),
            named(f"{projection}.weight", None, None, None, None).transpose(2, 3, 1, 0),
            named(f"{projection}.bias", None),
            positions,
        ],
        "norm": norm(f"{root}layernorm"),
    }
    for i in range(sizes["num_layers"]):
        prefix = f"{root}encoder.layer.{i}"
        weights[f"block {i}"] = [
            *norm(f"{prefix}.layernorm_before"),
            *attention(f"{prefix}.attention"),
            *norm(f"{prefix}.layernorm_after"),
            *dense(f"{prefix}.intermediate.dense"),
            *dense(f"{prefix}.output.dense"),
        ]
    return sizes, weights, dense("classifier") if "classifier.weight" in named.names else None


def _side(file: Path, positions: NDArray[Any]) -> int:
    """How many patches a side of the square has that the positions are of."""
    side = math.isqrt(max(len(positions) - 1, 0))
    if not side or side**2 + 1 != len(positions):
        raise CheckpointError(
            f"{file} must be of a ViT with a class token and a square of patches. Received: "
            f"position embeddings for {len(positions)} tokens."
        )
    return side


def _resize_positions(embedding: list[NDArray[Any]], number: int) -> None:
    """Resizes the grid of position embeddings, the last of the weights, to so many positions."""
    positions = embedding[-1]
    if len(positions) == number:
        return
    try:
        from scipy.ndimage import zoom
    except ImportError as error:
        raise ImportError(
            "Position embeddings are resized with SciPy, which is missing. Install: "
            "pip install 'tdrec[images]'"
        ) from error
    before, after = math.isqrt(len(positions) - 1), math.isqrt(number - 1)
    grid = positions[1:].reshape(before, before, -1)
    resized = zoom(grid, (after / before, after / before, 1), order=1)
    embedding[-1] = np.concatenate([positions[:1], resized.reshape(after * after, -1)])
