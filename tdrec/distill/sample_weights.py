"""Weights of rows: for the task and for the distillation, and for each output of a model."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from tdrec.distill.given_data import is_rows

Tensor = Any


class SampleWeights(NamedTuple):
    """A row's weight for the task, apart from its weight for the distillation.

    Given as the `sample_weight` of a `Distiller`'s `fit`, or third in a batch of its data. Rows
    without a label are distilled with a task weight of 0 and any number as their label.

    Attributes:
        task: As Keras takes a sample weight: shape `(batch,)`, or one for each output. None: 1.
        distillation: Shape `(batch,)`, or one for each output where the method distils outputs
            alone. None: 1.

    Example:
        >>> labelled = np.array([1.0, 0.0])
        >>> weights = SampleWeights(task=labelled, distillation=np.array([1.0, 0.5]))
    """

    task: Any
    distillation: Any


class Labels(NamedTuple):
    """The labels of a batch, for methods that read them beside the teacher (`reads_labels`).

    Attributes:
        values: As Keras takes them, `(batch, ...)`, or one for each output. None: there are none.
        weight: The rows' weights for the task, by which a row without a label is known: it has 0.
            None: all have one.
    """

    values: Any
    weight: Any = None


class WithWeights(NamedTuple):
    """Inputs that carry the weights of their rows for the distillation.

    Attributes:
        inputs: What the student takes, with or without a teacher's targets.
        distillation: As of `SampleWeights`.
    """

    inputs: Any
    distillation: Any


def weights_of(sample_weight: Any, x: Any = None) -> SampleWeights:
    """What is said of the rows' weights for the task and for the distillation.

    Args:
        sample_weight: A batch's.
        x: Its inputs, which may carry the latter.
    """
    if isinstance(x, WithWeights):
        return SampleWeights(weights_of(sample_weight).task, x.distillation)
    if isinstance(sample_weight, SampleWeights):
        return sample_weight
    return SampleWeights(sample_weight, sample_weight)


def of_task(evaluate: Callable[..., Any], *args: Any, **kwargs: Any) -> inspect.BoundArguments:
    """The arguments of an `evaluate`, in which the weights for the task alone count.

    Args:
        evaluate: Keras's.
        *args: The arguments.
        **kwargs: The arguments by name.
    """
    given = inspect.signature(evaluate).bind(*args, **kwargs)
    if "sample_weight" in given.arguments:
        given.arguments["sample_weight"] = weights_of(given.arguments["sample_weight"]).task
    return given


def apart(fitting: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a `fit` with weights that Keras takes as they are meant.

    Of arrays Keras gives one weight of a row to each output, refuses a pair of weights, and leaves
    out those of rows without labels. It gets the task's; the distillation's go with the inputs.

    Args:
        fitting: The arguments by name.

    Returns:
        The same, by name.
    """
    fitting = dict(fitting)
    x, weights = fitting.get("x"), fitting.get("sample_weight")
    if weights is not None and is_rows(x):
        fitting["sample_weight"], distillation = weights_of(weights)
        fitting["x"] = WithWeights(x, distillation)
    validation = fitting.get("validation_data")
    if isinstance(validation, tuple) and len(validation) == 3:
        fitting["validation_data"] = (*validation[:2], weights_of(validation[2]).task)
    return fitting


def one_weight(sample_weight: Any, output: str | int | None) -> Tensor | None:
    """The weight of the rows for one output, or for what is of no output.

    Args:
        sample_weight: None, a tensor, or several by the output.
        output: Its key or index, or None.

    Returns:
        None or a tensor.

    Raises:
        ValueError: If there are several, and none for this.
    """
    none = "and a term of no one output" if output is None else f"none for {output!r}"
    return of_output(
        sample_weight,
        output,
        lambda known: (
            "A term of distillation needs one weight for each row. Received: weights for the "
            f"outputs {known}, {none}. "
            "Say what counts there: sample_weight=tdrec.SampleWeights(task=..., distillation=...)."
        ),
    )


def of_output(given: Any, output: str | int | None, refused: Callable[[str], str]) -> Any:
    """Of labels or weights what belongs to one output.

    Args:
        given: A tensor or None, which is of every output; or several by the output.
        output: Its key or index, or None.
        refused: What to say where there are several and none for this, of those that there are.

    Raises:
        ValueError: If there are several, and none for this.
    """
    if not isinstance(given, (dict, list, tuple)):
        return given
    known = given if isinstance(given, dict) else range(len(given))
    if output not in known:
        raise ValueError(refused(", ".join(map(repr, known))))
    return given[output]  # type: ignore[index]


def spread(weight: Tensor, values: Tensor) -> Tensor:
    """Weights of rows, or of what the first axes of some values are, with as many axes as those.

    Args:
        weight: Shape `(batch,)` or `(batch, 1)`, or one that begins as that of `values`.
        values: Shape `(batch, ...)`.

    Raises:
        ValueError: If the weights have more axes than the values, or other lengths.
    """
    if len(weight.shape) == 2 and weight.shape[1] == 1:
        weight = ops.squeeze(weight, axis=1)
    lead, shape = tuple(weight.shape), tuple(values.shape)
    if any(None not in (n, m) and n != m for n, m in zip(lead, shape, strict=False)) or (
        len(lead) > len(shape)
    ):
        raise ValueError(
            "A sample weight is given for each example, shape (batch,), or for each token, shape "
            f"(batch, time). Received: weights of shape {lead} for values of shape {shape}. "
            "Cut the model where its states have that axis, or give the distillation weights of "
            "its own: sample_weight=tdrec.SampleWeights(task=..., distillation=...)."
        )
    return ops.reshape(weight, ops.shape(weight) + (1,) * (len(shape) - len(lead)))


def times(sample_weight: Any, factor: Tensor) -> Any:
    """Weights of rows times a factor of each row.

    Args:
        sample_weight: None, a tensor, or several by the output.
        factor: Shape `(batch,)`.
    """

    def of_output(weight: Any) -> Tensor:
        if weight is None:
            return factor
        return ops.cast(weight, factor.dtype) * spread(factor, weight)

    return keras.tree.map_structure(of_output, sample_weight)
