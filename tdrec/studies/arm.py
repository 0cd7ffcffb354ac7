"""Arm: a method with the arguments that a comparison is about, one line of its table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tdrec.studies.row import REFERENCES

NAMES = {
    "bias": "Bias",
    "popularity": "Popularity",
    "item_knn": "Item-kNN",
    "without_blocks": "Teacher without blocks",
    "teacher": "Teacher",
    "scratch": "Scratch",
    "ld": "LD",
    "fd": "FD",
    "fitnet": "FitNet",
    "hybrid": "Hybrid",
    "td": "TD",
    "trusted_ld": "Trusted LD",
    "grading": "Grading",
}
"""Short names of all that a table can show, and how it is written there."""

METHODS = tuple(name for name in NAMES if name not in REFERENCES)
"""Short names of the methods that train a student."""

OF_THE_PAPER = ("scratch", "ld", "fd", "fitnet", "hybrid", "td")
"""Those that the paper compares."""

ROUNDS = 2
"""Of TD, where an arm does not say it."""

TD_WEIGHTS = ("interaction_weight", "message_weight", "state_weight")
"""The weights of TD's own losses."""


@dataclass(frozen=True)
class Arm:
    """One line of a table: a method, with the arguments that the comparison is about.

    Args:
        method: The method's short name, of `METHODS`; or `"module:Class"`, a `tdrec.Method` of
            one's own; or a reference, of `REFERENCES`.
        arguments: Arguments that differ from the defaults, such as `{"rounds": 0}`. They are not
            tuned; the method's other weights are.
        label: How the report names it. Default: the method's name, TD with its rounds, and the
            arguments.
        changes: What changes in the configuration for this arm alone, such as
            `{"ramp_up": (1000, 500)}`. It needs a label.

    Raises:
        ValueError: If there is no such method, or the label is missing.

    Example:
        >>> Arm("td").name, Arm("ld", {"weight": 3.0}).name
        ('TD k=2', 'LD weight=3')
    """

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in NAMES and ":" not in self.method:
            raise ValueError(
                f"An arm's method must be one of {', '.join(METHODS)}, or 'module:Class' for one "
                f"of your own. Received: {self.method!r}."
            )
        if self.changes and not self.label:
            raise ValueError(
                "An arm that changes the configuration must have a label, to be told from the "
                f"method's own. Received: {self.method} with {dict(self.changes)}."
            )

    @property
    def is_student(self) -> bool:
        """Whether it trains a student, and is no reference."""
        return self.method not in REFERENCES

    @property
    def trusts(self) -> bool:
        """Whether it finds out of the rows of items how far the teacher is to be trusted."""
        return self.method == "trusted_ld" or self.arguments.get("trust") is not None

    @property
    def name(self) -> str:
        """How the report names it."""
        if self.label:
            return self.label
        shown = {
            k: f"{v:g}" if isinstance(v, int | float) else str(v) for k, v in self.arguments.items()
        }
        name = NAMES.get(self.method, self.method.split(":")[-1])
        if self.method == "td":
            name += f" k={shown.pop('rounds', ROUNDS)}"
        return name + "".join(f" {k}={v}" for k, v in sorted(shown.items()))
