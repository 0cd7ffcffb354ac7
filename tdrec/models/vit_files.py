"""The files of published ViT weights: which they are, and what they say, checked."""

import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.runtime.files import user_path

ACCEPTED = (
    "a folder with config.json and model.safetensors (or its parts), its .safetensors file, or an "
    ".npz file"
)
_WHOLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
_FLOATS = ("BF16", "F16", "F32", "F64")


class CheckpointError(ValueError):
    """A checkpoint that is damaged, incomplete or of another architecture."""


def weight_files(path: str | Path) -> list[Path]:
    """The files that a checkpoint's weights are in.

    Args:
        path: A folder of `transformers`, or one of its files, or an `.npz` file.

    Returns:
        An `.npz` file, or the `.safetensors` files, sorted.

    Raises:
        CheckpointError: If there are none that are read, or a part is missing.
        FileNotFoundError: If there is nothing at `path`.
    """
    path = user_path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"A checkpoint must be {ACCEPTED}. Received: {path}, where there is nothing."
        )
    folder, suffix = (path, "") if path.is_dir() else (path.parent, path.suffix)
    if suffix in _PICKLES:
        raise _pickled(folder, path.name)
    if suffix in (".npz", ".safetensors"):
        parts = _parts(folder) if (folder / _INDEX).exists() else []
        return parts if path in parts else [path]
    if path.is_dir() or path.name in ("config.json", _INDEX):
        if (folder / _WHOLE).exists():
            return [folder / _WHOLE]
        if (folder / _INDEX).exists():
            return _parts(folder)
        names = sorted(file.name for file in folder.iterdir())
        if any(Path(name).suffix in _PICKLES for name in names):
            raise _pickled(folder, "pytorch_model*.bin")
        raise CheckpointError(
            f"{folder} must have {_WHOLE}. Received: {', '.join(names[:8]) or 'an empty folder'}. "
            "If a .safetensors file has another name, give its path."
        )
    raise CheckpointError(f"A checkpoint must be {ACCEPTED}. Received: {path}.")


def _parts(folder: Path) -> list[Path]:
    """The files that an index names."""
    index = folder / _INDEX
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(
            f"{index} must say in `weight_map` which file each weight is in. Received: "
            f"{str(places)[:80]}. Download it again."
        )
    names = sorted({str(name) for name in places.values()})
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise CheckpointError(
                f"{index} must name files beside it. Received: {name!r}, which is not there. "
                "Download it again."
            )
    return [folder / name for name in names]


def _pickled(folder: Path, pattern: str) -> CheckpointError:
    code = (
        "import glob, torch; from safetensors.torch import save_file; "
        "save_file({k: v.clone().contiguous() "
        f"for f in sorted(glob.glob('{pattern}')) "
        "for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, "
        f"'{_WHOLE}')"
    )
    return CheckpointError(
        f"Weights are read from .safetensors or .npz files. Received: {folder / pattern}, a "
        "pickle, which may run any code where it is read. If you trust it, convert it where "
        f'PyTorch is installed: cd {folder} && python -c "{code}"'
    )


def read_object(file: Path) -> dict[str, Any]:
    """What a JSON file says.

    Args:
        file: Of one JSON object.

    Raises:
        CheckpointError: If it is missing, or something else.
    """
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = f"Received: {error}" if isinstance(error, OSError) else f"It is damaged: {error}"
        raise CheckpointError(
            f"{file} must hold a JSON object. {reason}. Download it again."
        ) from error
    if not isinstance(found, dict):
        raise CheckpointError(
            f"{file} must hold a JSON object. Received: {str(found)[:80]}. Download it again."
        )
    return found


class Weights:
    """The arrays of a checkpoint's files by name; says what is wrong with one.

    Args:
        files: `.safetensors` files, or one `.npz` file.

    Raises:
        CheckpointError: If a file is damaged.
        ImportError: If safetensors is needed and missing.
    """

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._found: dict[str, tuple[Path, NDArray[Any] | str]] = {}
        for file in files:
            arrays = _read_npz(file) if file.suffix == ".npz" else _read_safetensors(file)
            self._found |= {name: (file, array) for name, array in arrays.items()}

    @property
    def names(self) -> list[str]:
        """Of all arrays, sorted."""
        return sorted(self._found)

    def __call__(self, name: str, *shape: int | None) -> NDArray[Any]:
        """An array.

        Args:
            name: Its name.
            *shape: Its shape, with None for a size that is not known.

        Returns:
            It, in float32.

        Raises:
            CheckpointError: If there is none of that name, or it has another number of axes,
                another size, or a value that is no number.
        """
        if name not in self._found:
            raise CheckpointError(
                f"{self._files[0]} must have the weight {name!r} of a ViT. Received: "
                f"{len(self._found)} others, such as {', '.join(self.names[:3])}."
            )
        file, array = self._found[name]
        if isinstance(array, str):
            raise CheckpointError(
                f"{file} must hold floating-point weights. Received: {name!r} of type {array}, "
                "which is quantized. Take the checkpoint it was made of."
            )
        if array.ndim != len(shape) or any(
            size not in (None, found) for size, found in zip(shape, array.shape, strict=True)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise CheckpointError(
                f"{file} must have the weight {name!r} of shape ({wanted}). Received: "
                f"{array.shape}. Its sizes are not those of the other weights or of config.json."
            )
        with np.errstate(over="ignore"):
            values = np.asarray(array, np.float32)
        if wrong := int((~np.isfinite(values)).sum()):
            raise CheckpointError(
                f"{file} must hold finite weights. Received: {wrong} of {values.size} values of "
                f"{name!r} that are NaN or infinite. Download it again, or take another checkpoint."
            )
        return values


def _read_npz(file: Path) -> Mapping[str, NDArray[Any] | str]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise CheckpointError(f"{file} is damaged: {error}. Download it again.") from error
    return {name: a if a.dtype.kind == "f" else str(a.dtype) for name, a in arrays.items()}


def _read_safetensors(file: Path) -> Mapping[str, NDArray[Any] | str]:
    try:
        import ml_dtypes  # noqa: F401  (NumPy knows bfloat16 by it)
        import safetensors
    except ImportError as error:
        raise ImportError(
            "Hugging Face's checkpoints are read with safetensors, which is missing. Install: "
            "pip install 'tdrec[images]'"
        ) from error
    arrays: dict[str, NDArray[Any] | str] = {}
    try:
        with safetensors.safe_open(file, framework="np") as stored:
            for name in stored.keys():  # noqa: SIM118  (it is no mapping)
                dtype = stored.get_slice(name).get_dtype()
                arrays[name] = stored.get_tensor(name) if dtype in _FLOATS else dtype
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{file} is damaged: {error}. Download it again.") from error
    return arrays


class Config:
    """A `config.json` of `transformers`, with the defaults of its `ViTConfig`.

    Args:
        file: The file.

    Attributes:
        missing: The keys that are not in the file, and have their defaults.

    Raises:
        CheckpointError: If it is no JSON object.
    """

    defaults: Mapping[str, Any] = {
        "model_type": "vit",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "image_size": 224,
        "patch_size": 16,
        "num_channels": 3,
        "qkv_bias": True,
    }

    def __init__(self, file: Path) -> None:
        self.file = file
        given = read_object(file)
        self._found = {**self.defaults, **given}
        self.missing = [key for key in self.defaults if key not in given]

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def refused(self, key: str, rule: str) -> CheckpointError:
        """The error for a value that breaks a rule."""
        return CheckpointError(
            f"{self.file} must have {rule} as {key!r}. Received: {self._found[key]!r}."
        )

    def one_of(self, key: str, *values: Any) -> Any:
        """The value, one of a few."""
        if not any(type(v) is type(self._found[key]) and v == self._found[key] for v in values):
            raise self.refused(key, " or ".join(map(repr, values)))
        return self._found[key]

    def size(self, key: str) -> int:
        """The value, a positive whole number."""
        if not _is_size(self._found[key]):
            raise self.refused(key, "a positive whole number")
        return self._found[key]

    def side(self, key: str) -> int:
        """The side of a square, which may be written as `[height, width]`."""
        value = self._found[key]
        sides = value if isinstance(value, list) and len(value) == 2 else [value, value]
        if not (_is_size(sides[0]) and sides[0] == sides[1]):
            raise self.refused(key, "the side of a square, a positive whole number,")
        return sides[0]

    def positive(self, key: str) -> float:
        """The value, a positive number."""
        value = self._found[key]
        if not (type(value) in (int, float) and 0 < value < math.inf):
            raise self.refused(key, "a positive number")
        return float(value)


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0
