"""Keeps what libraries write to the screen off it."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Sends the process's standard error nowhere: C++ code writes there past `sys.stderr`.

    Exceptions pass through as ever.
    """
    sys.stderr.flush()
    screen = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keeps what TensorFlow's C++ code writes while it loads off the screen, errors excepted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr():
        yield


@contextlib.contextmanager
def quiet_logger(name: str) -> Iterator[None]:
    """Keeps what a logger of Python's says, errors excepted, off the screen.

    Args:
        name: The logger's name.
    """
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
