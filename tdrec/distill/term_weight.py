"""The weights of a method's terms: numbers that act on a compiled training step, too."""

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any, overload

import keras
from keras import ops

from tdrec.distill.check import check_positive

Tensor = Any


class TermWeight:
    r"""Declares, in a method's class, an argument that is the weight of some of its terms.

    The argument is a number to read and to set. It is kept in a variable that is not trained, so
    that a training step which is compiled already goes by the new value.

    Args:
        terms: The name of the term that it weighs, or a pattern, such as `"interaction_loss_*"`.
        check: What the number must fulfil, `check(name, value) -> value`. Default: to be positive.

    Raises:
        ValueError: When it is set: if the check fails, or to a positive number from 0 or the other
            way: whether a term is computed at all is decided when a method is made.

    Example:
        >>> method = LabelDistillation(weight=0.5)
        >>> method.weight = 2
        >>> method.weight
        2
    """

    def __init__(self, terms: str, check: Callable[[str, float], float] = check_positive) -> None:
        self.terms = terms
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, method: None, owner: type) -> "TermWeight": ...

    @overload
    def __get__(self, method: keras.Layer, owner: type) -> float: ...

    def __get__(self, method: keras.Layer | None, owner: type) -> "TermWeight | float":
        if method is None:
            return self
        try:
            return method.own_weights.numbers[self.name]
        except KeyError:  # Keras asks before it is set
            raise AttributeError(f"`{self.name}` has no value yet.") from None

    def __set__(self, method: keras.Layer, value: float) -> None:
        method.own_weights.put(self.name, self._check(self.name, value))


class OwnWeights:
    """The weights that a method declares.

    They are arguments, and not among what the method has learned: neither trained nor saved with
    its variables.

    Args:
        declared: By name.
        dtype: Of the variables.

    Attributes:
        numbers: By name.
        variables: By name: what a training step reads.
    """

    def __init__(self, declared: Mapping[str, TermWeight], dtype: str) -> None:
        self.declared = dict(declared)
        self.dtype = dtype
        self.numbers: dict[str, float] = {}
        self.variables: dict[str, keras.Variable] = {}

    def put(self, name: str, value: float) -> None:
        """Gives a weight a value, which has been checked."""
        before = self.numbers.get(name)
        if before is None:
            self.variables[name] = keras.Variable(value, dtype=self.dtype, trainable=False)
        elif (before > 0) != (value > 0):
            raise ValueError(
                f"`{name}` is 0 or positive from the start, which decides what a method computes. "
                f"Received: {value!r}, after {before!r}. Make a new method; to leave a term out "
                "for a while, set its factor in `Distiller.term_weights` to 0."
            )
        else:
            self.variables[name].assign(value)
        self.numbers[name] = value

    def weighted(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each loss times its weight; as it is where none is declared."""
        return {term: self._weighted(term, loss) for term, loss in losses.items()}

    def _weighted(self, term: str, loss: Tensor) -> Tensor:
        for name, declared in self.declared.items():
            if fnmatch.fnmatchcase(term, declared.terms):
                if name not in self.variables:
                    raise AttributeError(
                        "A weight that a method declares must have a value. Received: none for "
                        f"`{name}`, of {term}. Set self.{name} in __init__."
                    )
                return ops.cast(self.variables[name], loss.dtype) * loss
        return loss
