"""What differs with Keras's backend or with the devices: what runs on one alone says so."""

import keras


def number(variable: keras.Variable) -> float:
    """What a variable holds, also where each device has a copy of it.

    Args:
        variable: Of one number.
    """
    return float(keras.ops.copy(variable))


def require_tensorflow(what: str, instead: str) -> None:
    """Refuses Keras's other backends.

    Args:
        what: What needs TensorFlow, the subject of a sentence.
        instead: What else there is to do on another backend, the end of a sentence.

    Raises:
        RuntimeError: If Keras runs on another backend.

    Example:
        >>> require_tensorflow("The count of multiplications", "count parameters alone")
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"{what} needs Keras's TensorFlow backend. Received: the backend {backend!r}. "
            f"Set KERAS_BACKEND=tensorflow, or {instead}."
        )
