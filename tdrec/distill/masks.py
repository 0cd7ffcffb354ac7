"""Masks: which tokens of a sequence are there, as Keras's layers say it of what they return."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask  # Keras has no public name for them

Tensor = Any


def mask_of(tensor: Tensor) -> Tensor | None:
    """The mask of a tensor, shape `(batch, time)`, True where there is something; None if none.

    Args:
        tensor: What a Keras layer has returned, or a symbolic tensor of a model's graph.
    """
    return get_keras_mask(tensor)


def masked(tensor: Tensor, mask: Tensor | None) -> Tensor:
    """The tensor with this mask, or with none."""
    if mask is not None or get_keras_mask(tensor) is not None:
        set_keras_mask(tensor, mask)
    return tensor


@contextlib.contextmanager
def unmasked(x: Any) -> Iterator[None]:
    """Takes the masks off tensors for a while."""
    tensors = keras.tree.flatten(x)
    masks = [get_keras_mask(tensor) for tensor in tensors]
    for tensor in tensors:
        masked(tensor, None)
    try:
        yield
    finally:
        for tensor, mask in zip(tensors, masks, strict=True):
            masked(tensor, mask)


def first_mask(*tensors: Tensor) -> Tensor | None:
    """The mask of the first of the tensors that has one."""
    return next((m for m in map(get_keras_mask, tensors) if m is not None), None)


def mask_weight(mask: Tensor, dtype: str) -> Tensor:
    r"""What each token counts in a mean over all: $n / \sum_i m_i$ where it is there, 0 elsewhere.

    As Keras's own losses have it: the mean is one over the tokens that are there.

    Args:
        mask: Shape `(batch, time)`.
        dtype: Of the result.
    """
    total = ops.cast(ops.size(mask), dtype)
    there = ops.sum(ops.cast(mask, dtype))
    return ops.where(ops.cast(mask, "bool"), ops.divide_no_nan(total, there), 0.0)
