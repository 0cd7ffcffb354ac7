"""What becomes of a model's masks: which layers see one, and which states still have it."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tdrec.distill.masks import mask_of
from tdrec.distill.model_split import ModelSplit


@dataclass
class MasksSeen:
    """The masks of one model on some rows.

    Attributes:
        makers: Layers that make one: `Masking`, and `Embedding` with `mask_zero`.
        last: The last layer on the way that is given a tensor with a mask; None if none is.
        tokens: Of the states and the prediction that have a time axis, their number of places.
        masks: The masks of those that have one, shape `(rows, time)`.
        ids: Inputs of one integer a place, shape `(rows, time)`.
    """

    makers: tuple[str, ...] = ()
    last: str | None = None
    tokens: dict[str, int] = field(default_factory=dict)
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    ids: list[NDArray[Any]] = field(default_factory=list)

    @property
    def are_made(self) -> bool:
        """Whether the model makes a mask at all."""
        return bool(self.makers or self.last)


def masks_seen(split: ModelSplit, x: Any) -> MasksSeen:
    """Runs a model on some rows, and looks where its masks get to.

    Args:
        split: Of the model.
        x: A batch's inputs, without the teacher's targets.

    Example:
        >>> masks_seen(student_split, x).are_made
        False
    """
    found = MasksSeen(tuple(dict.fromkeys(_makers(split.layers))))
    with _watched(split.layers, found):
        # Rooms that are cut from a graph hand masks on past the layers.
        split(x) if split.model is None else split.model(split.see(x))
    trace = split.distilled(split(x))
    for name, value in trace._asdict().items():
        if value is None or keras.tree.is_nested(value) or len(value.shape) < 3:
            continue  # without a time axis there are no places to mask
        found.tokens[name] = value.shape[1]
        if (mask := mask_of(value)) is not None:
            found.masks[name] = keras.ops.convert_to_numpy(mask).astype(bool)
    inputs = (np.asarray(values) for values in keras.tree.flatten(split.see(x)))
    found.ids = [each for each in inputs if each.ndim == 2 and each.dtype.kind in "iu"]
    return found


def _parts(layers: Iterable[keras.Layer]) -> Iterator[keras.Layer]:
    return (part for layer in layers for part in layer._flatten_layers())


def _makers(layers: Iterable[keras.Layer]) -> Iterator[str]:
    for part in _parts(layers):
        if isinstance(part, keras.layers.Masking) or getattr(part, "mask_zero", False):
            yield part.name


@contextlib.contextmanager
def _watched(layers: Iterable[keras.Layer], found: MasksSeen) -> Iterator[None]:
    """Notes the last layer that is given a mask, as `embedding_ids` notes ids."""
    watched = {id(part): part for part in _parts(layers) if not isinstance(part, keras.Model)}
    before = {key: vars(part).get("call") for key, part in watched.items()}
    for part in watched.values():
        part.call = _watching(part, part.call, found)
    try:
        yield
    finally:
        for key, part in watched.items():
            if before[key] is None:
                del part.call  # the method of the class shows again
            else:
                part.call = before[key]


def _watching(layer: keras.Layer, call: Any, found: MasksSeen) -> Any:
    def watch(*args: Any, **kwargs: Any) -> Any:
        given = keras.tree.flatten((args, kwargs))
        if any(mask_of(each) is not None for each in given if hasattr(each, "shape")):
            found.last = layer.name
        return call(*args, **kwargs)

    return watch
