"""No distillation: the student alone."""

from typing import Any

import keras

from tdrec.distill.method import Method


@keras.saving.register_keras_serializable(package="tdrec")
class Scratch(Method):
    """No distillation: the student learns from the labels alone.

    Args:
        **kwargs: Those of `keras.layers.Layer`.

    Example:
        >>> Distiller(student_split, None, Scratch())
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
