"""Checks of arguments that several modules make: each names the rule, what it got, the remedy."""

from collections.abc import Collection
from typing import Any

import keras


def check_not_negative(name: str, value: float) -> float:
    """The value, a number of at least 0; NaN is none."""
    if not value >= 0:
        raise ValueError(f"`{name}` must be at least 0. Received: {value!r}.")
    return value


def check_positive(name: str, value: float) -> float:
    """The value, a number above 0; NaN is none."""
    if not value > 0:
        raise ValueError(f"`{name}` must be positive. Received: {value!r}.")
    return value


def check_names(name: str, value: Any) -> tuple[str, str]:
    """Two different names, as a tuple."""
    names = value if isinstance(value, (list, tuple)) else (value,)
    if len(set(names)) != 2 or len(names) != 2 or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"`{name}` must be two different names. Received: {value!r}.")
    return (names[0], names[1])


def check_type(name: str, value: Any, expected: type, remedy: str) -> None:
    """Refuses a value of another type.

    Args:
        name: Of the argument.
        value: What was given.
        expected: What it must be.
        remedy: An expression that makes one.
    """
    if not isinstance(value, expected):
        raise TypeError(
            f"`{name}` must be a {expected.__name__}, such as {remedy}. Received: {value!r}."
        )


def check_metric_names(metrics: Any, taken: Collection[str]) -> None:
    """Refuses metrics with the name of something else that is logged, which would hide one.

    Args:
        metrics: As `keras.Model.compile` takes them, in any structure.
        taken: The names of all else.

    Raises:
        ValueError: If a metric has one of them.
    """
    names = [_name(metric) for metric in keras.tree.flatten(metrics)]
    if clashes := sorted(set(taken).intersection(names)):
        raise ValueError(
            f"A metric needs a name of its own. Received: {', '.join(clashes)}, which the "
            "distiller logs itself. Give it another: keras.metrics.Mean(name=...)."
        )


def _name(metric: Any) -> str:
    return (
        metric
        if isinstance(metric, str)
        else getattr(metric, "name", None) or str(getattr(metric, "__name__", ""))
    )
