"""Gradients and float64 on the backend that Keras runs on: TensorFlow or JAX."""

import contextlib

import keras
import numpy as np


def value_and_gradients(loss, variables):
    """The scalar that `loss()` returns, and its gradient for each variable of a structure.

    As NumPy arrays: TensorFlow's by a tape, JAX's by a compiled function of the variables' values.
    """
    flat = keras.tree.flatten(variables)
    if keras.backend.backend() == "jax":
        value, found = _with_jax(loss, flat)
    else:
        value, found = _with_tensorflow(loss, flat)
    return np.array(value), keras.tree.pack_sequence_as(variables, [np.array(g) for g in found])


def _with_tensorflow(loss, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss()
    zero = tf.UnconnectedGradients.ZERO  # as JAX has it
    return value, tape.gradient(value, [v.value for v in variables], unconnected_gradients=zero)


def _with_jax(loss, variables):
    import jax

    def loss_of(values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return loss()

    return jax.jit(jax.value_and_grad(loss_of))([v.value for v in variables])


def norm(gradients):
    """The Euclidean length of several arrays, taken as one vector."""
    return np.sqrt(sum(np.sum(np.square(g, dtype="float64")) for g in gradients))


@contextlib.contextmanager
def float64():
    """Keras computes in float64, which JAX does only when it is told to."""
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.enable_x64(True))
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
        try:
            yield
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
