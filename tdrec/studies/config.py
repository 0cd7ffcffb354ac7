"""Config: all that decides a run but data, method and seed, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeVar

LOG_EVERY = 20
"""Steps of one point of a learning curve, and of one call of the compiled training loop."""

VALIDATION_FRACTION = 0.2
"""Share of the training rows, the latest, that methods and their hyperparameters are chosen on. The
latest tenth alone has few users who are known, and on four rolling cuts of MovieLens 100K it was
the odd one out."""

C = TypeVar("C")


@dataclass(frozen=True)
class Range:
    """What tuning searches between.

    Attributes:
        low, high: Its ends.
        log: Whether on a logarithmic scale. Default True.
    """

    low: float
    high: float
    log: bool = True


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the configurations of all tasks have.

    Attributes:
        preset: Name of the set of defaults that it started from.
        batch_size: Rows of a student's step.
        learning_rate: Of a student.
        steps: Of a student, a multiple of `LOG_EVERY`.
        methods: Arguments of the methods that differ from `defaults`, by short name.
    """

    preset: str
    batch_size: int
    learning_rate: float
    steps: int
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def defaults(self, method: str) -> dict[str, Any]:
        """Arguments of a method where `methods` says nothing, if they are not its class's own."""
        return {}

    def arguments(self, method: str) -> dict[str, Any]:
        """Arguments of a method in this configuration."""
        return {**self.defaults(method), **self.methods.get(method, {})}

    def space(self, method: str) -> Mapping[str, Range | list[Any]]:
        """What tuning searches for a method, by name: a `Range`, or a list to choose from."""
        return {}

    def values(self, method: str) -> dict[str, Any]:
        """The configuration's own values of `space`."""
        return {}

    def tuned(self, method: str, values: Mapping[str, Any]) -> Self:
        """The configuration with values of `space`, all or a part, and with `"steps"`."""
        assert not values
        return self


def changed(config: C, changes: Mapping[str, Any]) -> C:
    """A configuration with changes; a mapping for a part that is a dataclass changes that part.

    Args:
        config: A dataclass.
        changes: Values by field.

    Raises:
        ValueError: If there is no such field.

    Example:
        >>> changed(config, {"steps": 800, "teacher": {"epochs": 1}}).teacher.epochs
        1
    """
    known = {each.name for each in fields(config)}  # type: ignore[arg-type]
    if unknown := sorted(set(changes) - known):
        raise ValueError(
            f"Changes must be of {', '.join(sorted(known))}. Received: {', '.join(unknown)}."
        )
    values = {}
    for name, value in changes.items():
        old = getattr(config, name)
        is_part = isinstance(value, Mapping) and hasattr(old, "__dataclass_fields__")
        values[name] = changed(old, value) if is_part else value
    return replace(config, **values)  # type: ignore[type-var]
