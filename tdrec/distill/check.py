"""Checks of arguments that several modules make: each names the rule, what it got, the remedy."""

from typing import Any


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
