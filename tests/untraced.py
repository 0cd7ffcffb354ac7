"""Steps that are not traced, which takes longer than running a few of them."""

import contextlib
import warnings

import tensorflow as tf


@contextlib.contextmanager
def untraced():
    """Within it what is a `tf.function` elsewhere runs as Python; what tf.data maps is traced."""
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_func")
            yield
    finally:
        tf.config.run_functions_eagerly(False)
