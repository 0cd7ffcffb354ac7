"""Published ViT weights: Hugging Face's folders, and the `.npz` files of Google Research.

keras-hub's converter is not used: it reads neither `.npz` files nor checkpoints of a bare
`ViTModel`, such as `google/vit-base-patch32-224-in21k`, and takes every layer norm's epsilon to be
1e-6.
"""

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tdrec.models.vit import ViT

Arrays = Mapping[str, NDArray[Any]]


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete or of another architecture."""


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
        path: A folder with `config.json` and `model.safetensors`, as `transformers` saves a
            `ViTModel` or a `ViTForImageClassification`; or an `.npz` file of
            google-research/vision_transformer.
        num_classes: For a new head, which starts at zero. Default None: the checkpoint's head.
        image_size: Pixels; the grid of position embeddings is resized bilinearly if the
            checkpoint's is another. Default None: the checkpoint's.
        dropout: Rate while training. Default 0.
        dtype: Of the blocks. Default None: Keras's.

    Returns:
        The `ViT`.

    Raises:
        CheckpointError: If the file is damaged, lacks a weight, has one of another shape, or is of
            another architecture; the message names the file and the weight.
        FileNotFoundError: If there is no such file.
        ImportError: If keras-hub, or safetensors for a folder, or SciPy for resizing is missing.

    Example:
        >>> teacher = load_vit(checkpoint, num_classes=10, image_size=24)
        >>> teacher.output_shape
        (None, 10)

    Source:
        The resizing: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, section 3.2.
    """
    path = Path(path)
    read = _read_npz if path.suffix == ".npz" else _read_folder
    config, weights, head = read(path)
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
                )
        layers[name].set_weights(values)
    return model


# What the readers return: arguments of `ViT`, the weights of each layer in the order of
# `layer.weights`, and those of the head, if there is one.
_Read = tuple[dict[str, Any], dict[str, list[NDArray[Any]]], list[NDArray[Any]] | None]


class _Named:
    """A checkpoint's arrays; says which one is missing."""

    def __init__(self, path: Path, arrays: Arrays) -> None:
        self.path, self.arrays = path, arrays

    def __call__(self, name: str) -> NDArray[Any]:
        if name not in self.arrays:
            raise CheckpointError(
                f"{self.path} must have the weight {name!r} of a ViT. Received: "
                f"{len(self.arrays)} others, such as {', '.join(sorted(self.arrays)[:3])}."
            )
        return np.asarray(self.arrays[name], np.float32)


def _read_npz(path: Path) -> _Read:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} is damaged: {error}. Download it again.") from error
    named = _Named(path, arrays)
    if "conv_root/kernel" in arrays:
        raise CheckpointError(f"{path} must be of a plain ViT. Received: a hybrid with a ResNet.")
    kernel, positions = named("embedding/kernel"), named("Transformer/posembed_input/pos_embedding")
    blocks = {name.split("/")[1] for name in arrays if name.startswith("Transformer/encoderblock_")}
    first = "Transformer/encoderblock_0"
    attention = "MultiHeadDotProductAttention_1"
    config = {
        "patch_size": kernel.shape[0],
        "image_size": kernel.shape[0] * math.isqrt(positions.shape[1] - 1),
        "hidden_dim": kernel.shape[-1],
        "num_layers": len(blocks),
        "num_heads": named(f"{first}/{attention}/query/kernel").shape[1],
        "mlp_dim": named(f"{first}/MlpBlock_3/Dense_0/kernel").shape[1],
        "approximate_gelu": True,  # Flax's `gelu`
    }

    def layer(prefix: str, first: str = "kernel") -> list[NDArray[Any]]:
        return [named(f"{prefix}/{first}"), named(f"{prefix}/bias")]

    weights = {
        "embedding": [named("cls"), kernel, named("embedding/bias"), positions[0]],
        "norm": layer("Transformer/encoder_norm", "scale"),
    }
    for i in range(len(blocks)):
        prefix = f"Transformer/encoderblock_{i}"
        weights[f"block {i}"] = [
            *layer(f"{prefix}/LayerNorm_0", "scale"),
            *(w for part in _ATTENTION for w in layer(f"{prefix}/{attention}/{part}")),
            *layer(f"{prefix}/LayerNorm_2", "scale"),
            *layer(f"{prefix}/MlpBlock_3/Dense_0"),
            *layer(f"{prefix}/MlpBlock_3/Dense_1"),
        ]
    own = "head/kernel" in arrays and "pre_logits/kernel" not in arrays
    return config, weights, layer("head") if own else None


_ATTENTION = ("query", "key", "value", "out")
_GELUS = {"gelu": False, "gelu_new": True, "gelu_pytorch_tanh": True}


def _read_folder(path: Path) -> _Read:
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path / 'config.json'} is damaged: {error}.") from error
    if config.get("model_type") != "vit" or config.get("hidden_act", "gelu") not in _GELUS:
        raise CheckpointError(
            f"{path} must hold a ViT (`model_type` 'vit') with GELU. Received: "
            f"{config.get('model_type')!r} with {config.get('hidden_act')!r}."
        )
    named = _Named(path, _safetensors(path / "model.safetensors"))
    # A classifier's weights are those of a bare model under "vit.".
    root = "vit." if any(name.startswith("vit.") for name in named.arrays) else ""
    heads, width = config["num_attention_heads"], config["hidden_size"]
    sizes = {
        "patch_size": config["patch_size"],
        "image_size": config["image_size"],
        "hidden_dim": width,
        "num_layers": config["num_hidden_layers"],
        "num_heads": heads,
        "mlp_dim": config["intermediate_size"],
        "epsilon": config["layer_norm_eps"],
        "approximate_gelu": _GELUS[config.get("hidden_act", "gelu")],
    }

    def layer(prefix: str) -> list[NDArray[Any]]:
        return [named(f"{prefix}.weight").T, named(f"{prefix}.bias")]

    def attention(prefix: str) -> Iterator[NDArray[Any]]:
        for part in _ATTENTION[:3]:
            kernel, bias = layer(f"{prefix}.attention.{part}")
            yield kernel.reshape(width, heads, -1)
            yield bias.reshape(heads, -1)
        kernel, bias = layer(f"{prefix}.output.dense")
        yield from (kernel.reshape(heads, -1, width), bias)

    embeddings = f"{root}embeddings"
    weights = {
        "embedding": [
            named(f"{embeddings}.cls_token"),
            named(f"{embeddings}.patch_embeddings.projection.weight").transpose(2, 3, 1, 0),
            named(f"{embeddings}.patch_embeddings.projection.bias"),
            named(f"{embeddings}.position_embeddings")[0],
        ],
        "norm": layer(f"{root}layernorm"),
    }
    for i in range(sizes["num_layers"]):
        prefix = f"{root}encoder.layer.{i}"
        weights[f"block {i}"] = [
            *layer(f"{prefix}.layernorm_before"),
            *attention(f"{prefix}.attention"),
            *layer(f"{prefix}.layernorm_after"),
            *layer(f"{prefix}.intermediate.dense"),
            *layer(f"{prefix}.output.dense"),
        ]
    return sizes, weights, layer("classifier") if "classifier.weight" in named.arrays else None


def _safetensors(path: Path) -> Arrays:
    try:
        import safetensors
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ImportError(
            "Hugging Face's checkpoints are read with safetensors, which is missing. Install: "
            "pip install 'tdrec[images]'"
        ) from error
    try:
        return load_file(path)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is damaged: {error}. Download it again.") from error


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
