"""Why a format of a student cannot be written, and what would help."""

import re
from pathlib import Path

import keras

from tdrec.export.sample import LOOKUPS, layers_of
from tdrec.export.served import ServedStudent

HALF = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The types of half precision, and how far apart their numbers are at 1."""


_PACKAGES = ("keras", "keras_hub", "keras_rs", "tdrec")  # whose classes can be written

LONGEST = 600
"""How much of an error's own words is told: Keras adds whole configurations to some."""


def half_precision(model: keras.Model) -> str:
    """The coarsest type of half precision that a layer computes in; empty if there is none."""
    types = {layer.compute_dtype for layer in layers_of(model)} & set(HALF)
    return max(types, key=HALF.__getitem__, default="")


def reason(served: ServedStudent, name: str, path: Path, error: Exception) -> str:
    """An error that a format's writer or runtime has raised, as a sentence with its remedy."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).replace(str(path), path.name)
    said = " ".join(said.split()).rstrip(".")
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]} ..."
    return (
        f"The student {served.model.name!r} cannot be served in the format {name!r}. "
        f"Received: {type(error).__name__}: {said}. {_remedy(served.model, name, error)}"
    ).rstrip()


def _remedy(model: keras.Model, name: str, error: Exception) -> str:
    """What helps, by what is in the student; nothing where that is not known."""
    layers = layers_of(model)
    own = sorted({type(layer).__name__ for layer in layers if _is_own(layer)})
    lookups = sorted({layer.name for layer in layers if isinstance(layer, LOOKUPS)})
    if name == "keras":
        if any(isinstance(layer, keras.layers.Lambda) for layer in layers):
            return "A Lambda is code that Keras does not read back: make it a layer of your own."
        if own and isinstance(error, NotImplementedError | TypeError):
            return (
                f"A class of your own ({', '.join(own)}) needs `get_config` and "
                "`@keras.saving.register_keras_serializable()`."
            )
    elif name in ("onnx", "litert"):
        if lookups:
            return (
                f"The student looks values up itself ({', '.join(lookups)}): serve its SavedModel, "
                "or export the model that begins behind these layers."
            )
        if half_precision(model):
            return (
                "One of mixed precision computes in float32 when it is built again after "
                'keras.config.set_dtype_policy("float32") and given its weights: '
                "again.set_weights(student.get_weights())."
            )
        if loops := sorted({layer.name for layer in layers if _loops(layer)}):
            return (
                f"A recurrent layer ({', '.join(loops)}) has no loop when it is built again with "
                "unroll=True and given its weights: again.set_weights(student.get_weights())."
            )
    return ""


def _loops(layer: keras.layers.Layer) -> bool:
    """Whether a layer runs over the time by a loop."""
    return isinstance(layer, keras.layers.RNN) and not layer.unroll


def _is_own(layer: keras.layers.Layer) -> bool:
    """Whether a layer's class is the user's."""
    return type(layer).__module__.partition(".")[0] not in _PACKAGES
