"""A sample of rows as arrays by the name of their input, as the student takes them."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Arrays = dict[str, np.ndarray]

LOOKUPS = (
    keras.layers.StringLookup,
    keras.layers.IntegerLookup,
    keras.layers.Hashing,
    keras.layers.HashedCrossing,
    keras.layers.TextVectorization,
)
"""The layers that turn ids and texts into indices."""


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The model, and every layer in it at any depth."""
    return list(model._flatten_layers())  # Keras has no public name for it


def structure_of(model: keras.Model) -> Any:
    """The `keras.Input`s of a functional or Sequential model; None for a subclassed one."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None))
    if not all(isinstance(tensor, keras.KerasTensor) for tensor in inputs):
        return None
    return inputs[0] if isinstance(model, keras.Sequential) else model.input


def by_name(tensors: Any, sample: Any) -> tuple[Any, Arrays]:
    """Names the inputs, and finds the rows of each.

    Args:
        tensors: The `keras.Input`s as the model takes them, or None where that is not known.
        sample: Rows as the model takes them, or by the names of its inputs.

    Returns:
        The structure of the inputs with the name of each in its place, and the rows by name.

    Raises:
        TypeError: If the sample is of another structure.
        ValueError: If it has other inputs, none, no rows, or not as many for each.
    """
    if tensors is None:
        sample = _as_taken(sample)
    names = _names(sample if tensors is None else tensors)
    structure = keras.tree.pack_sequence_as(sample if tensors is None else tensors, names)
    if tensors is None:
        found = dict(zip(names, keras.tree.flatten(sample), strict=True))
    else:
        found = _matched(structure, names, sample)
    arrays = {name: _array(name, values) for name, values in found.items()}
    rows = {name: len(values) if values.ndim else 0 for name, values in arrays.items()}
    if len(set(rows.values())) != 1 or not all(rows.values()):
        raise ValueError(
            f"`sample` must have as many rows for each input, at least one. Received: {rows}."
        )
    return structure, arrays


def _as_taken(sample: Any) -> Any:
    """The rows of a subclassed model: a dict, list or tuple is its inputs, all else one input."""
    if isinstance(sample, Mapping):
        return {name: _as_taken(values) for name, values in sample.items()}
    if isinstance(sample, list | tuple) and all(hasattr(values, "shape") for values in sample):
        return type(sample)(map(np.asarray, sample))
    return np.asarray(sample)


def _names(structure: Any) -> list[str]:
    """Of each leaf: its key in a dict, else the name of its `keras.Input`, else its place."""
    leaves = keras.tree.flatten_with_path(structure)
    names = []
    for path, leaf in leaves:
        if path and isinstance(path[-1], str):
            names.append(path[-1])
        elif isinstance(leaf, keras.KerasTensor):
            names.append(leaf.name)
        else:
            names.append("_".join(["input", *map(str, path)]))
    if len(set(names)) < len(names):  # dicts in a dict
        names = ["_".join(map(str, path)) for path, _ in leaves]
    return names


def _matched(structure: Any, names: list[str], sample: Any) -> dict[str, Any]:
    """The rows of each input of a model whose inputs are known."""
    if isinstance(sample, Mapping) and set(sample) == set(names):
        return {name: sample[name] for name in names}
    if isinstance(sample, list | tuple):
        if isinstance(structure, str) and len(sample) == 1 and hasattr(sample[0], "shape"):
            (sample,) = sample
        elif isinstance(structure, list | tuple):
            sample = type(structure)(sample)
    found: dict[str, Any] = {}
    try:
        if isinstance(sample, Mapping) and not isinstance(structure, dict):
            raise ValueError
        keras.tree.map_structure_up_to(
            structure, lambda name, values: found.update({name: values}), structure, sample
        )
    except (TypeError, ValueError) as error:
        if isinstance(sample, Mapping):
            raise ValueError(
                f"`sample` must have the student's inputs {sorted(names)}. "
                f"Received: {sorted(map(str, sample))}."
            ) from error
        raise TypeError(
            "`sample` must be a dict of arrays by the name of the input, or of the structure that "
            f"the student takes, which is {structure}. Received: a {type(sample).__name__}."
        ) from error
    return found


def _array(name: str, values: Any) -> np.ndarray:
    """The rows as an array; numbers that pandas holds as objects as numbers."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"`sample` holds rows of one shape for each input. Received: {error} for {name!r}."
        ) from error
    if array.dtype.kind == "O" and array.size:
        numbers = all(isinstance(v, int | float | np.number | np.bool) for v in array.flat)
        return np.array(array.tolist()) if numbers else array
    return array


def in_shape(name: str, values: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """Rows with or without a last axis of 1, as the student takes them; Keras fits them so too.

    Raises:
        ValueError: If a row is of another shape.
    """
    if values.ndim == len(shape) and shape[-1] == 1:
        values = values[..., None]
    elif values.ndim == len(shape) + 2 and values.shape[-1] == 1:
        values = values[..., 0]
    same = values.ndim == len(shape) + 1
    if not same or any(n not in (None, m) for n, m in zip(shape, values.shape[1:], strict=True)):
        raise ValueError(
            f"`sample` has rows of the shape that the student takes, {tuple(shape)} for {name!r}. "
            f"Received: an array of shape {values.shape}."
        )
    return values


def in_type(name: str, values: np.ndarray, dtype: tf.DType) -> np.ndarray:
    """Rows of an input without a vocabulary in the type of the student's input.

    Raises:
        ValueError: If that is strings and they are not, or the other way round, or if whole numbers
            would be others in that type.
    """
    if dtype == tf.string:
        if not _are_texts(values):
            other = next(v for v in values.flat if not isinstance(v, str | bytes))
            raise ValueError(
                f"The student takes {name!r} as strings. Received: {other!r} among its values."
            )
        return values.astype(object)
    if values.dtype.kind not in "iufb":
        raise ValueError(
            "An input that has no vocabulary holds numbers. "
            f"Received: {name!r} of type {values.dtype}. Give its vocabulary: "
            f"vocabularies={{{name!r}: Vocabulary.fit(values)}}."
        )
    numbers = values.astype(dtype.as_numpy_dtype)
    if dtype.is_integer and not np.array_equal(numbers, values):
        raise ValueError(
            f"The student takes {name!r} as {dtype.name}. Received: values of type {values.dtype} "
            f"that are others in it, such as {values[numbers != values].flat[0]}. Where they are "
            'meant, make the input wider: keras.Input(..., dtype="int64").'
        )
    return numbers


def type_of(model: keras.Model, values: np.ndarray) -> tf.DType:
    """The type in which a subclassed model is given an input without a vocabulary."""
    if _are_texts(values):
        return tf.string
    if values.dtype.kind == "f":
        return tf.as_dtype(keras.config.floatx())
    if values.dtype.kind not in "iu":
        return tf.as_dtype(values.dtype)
    narrow = np.array_equal(values.astype(np.int32), values)
    ids = any(isinstance(layer, LOOKUPS) for layer in layers_of(model))
    return tf.int64 if (ids and values.dtype.itemsize == 8) or not narrow else tf.int32


def _are_texts(values: np.ndarray) -> bool:
    objects = values.dtype.kind == "O" and all(isinstance(v, str | bytes) for v in values.flat)
    return objects or values.dtype.kind in "UST"
