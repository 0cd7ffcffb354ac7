"""Tells models apart: a hash of what a split computes with."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from tdrec.distill.model_split import ModelSplit
from tdrec.distill.several_teachers import Teachers


def fingerprint(split: ModelSplit) -> str:
    """A hash of a model's weights, of where it is cut, and of which output is distilled.

    A model that was saved and loaded has the same one; training it, cutting it elsewhere, or
    another precision gives another. Of rooms that are callables only the weights of their owner
    are known: two functions without one cannot be told apart.

    Args:
        split: Of a model that is built; of several teachers it is a hash of theirs.

    Returns:
        64 hexadecimal digits (SHA-256).

    Example:
        >>> known = fingerprint(teacher_split)
        >>> teacher.layers[-1].set_weights([np.ones((8, 1)), np.zeros(1)])
        >>> fingerprint(teacher_split) == known
        False
    """
    if isinstance(split, Teachers):
        return hash_arrays((), start=repr([fingerprint(each) for each in split.splits.values()]))
    weights = [np.asarray(v) for layer in split.layers for v in layer.weights]
    return hash_arrays(weights, start=repr((split.cut and split.cut[:2], split.output)))


def hash_arrays(arrays: Iterable[Any], start: str = "") -> str:
    """SHA-256 of a text and of arrays with their dtypes and shapes.

    Args:
        arrays: Numbers or strings, of any shape.
        start: What is hashed before them. Default nothing.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(start.encode())
    for array in arrays:
        array = np.asarray(array)
        if array.dtype == object:  # strings, of which the array holds the addresses
            array = np.array([_encoded(item) for item in array.flat]).reshape(array.shape)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)  # no copy
    return digest.hexdigest()


def _encoded(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()
