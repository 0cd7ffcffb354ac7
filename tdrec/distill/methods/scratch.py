"""No distillation: the student alone."""

import keras

from tdrec.distill.method import Method


@keras.saving.register_keras_serializable(package="tdrec")
class Scratch(Method):
    """No distillation: the student learns from the labels alone.

    Args:
        **kwargs: Those of `keras.layers.Layer`.

    Example:
        >>> distiller = Distiller(student_split, None, Scratch())
    """
