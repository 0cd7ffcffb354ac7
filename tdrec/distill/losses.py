"""Distances and logit losses of distillation: pure functions, elementwise until the caller reduces.

Every function maps two tensors of equal shape `(..., features)` to one value an example, shape
`(...)`, which keeps the mask of the first that has one. They compute in Keras's default float, and
at least in float32, whatever the inputs are: squares overflow in half precision. `mean` reduces at
the end, and honours masks and sample weights.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tdrec.distill.masks import first_mask, mask_of, mask_weight, masked
from tdrec.distill.sample_weights import one_weight, spread

Tensor = Any
Distance = Callable[[Tensor, Tensor], Tensor]

_EPSILON = 1e-8
_SPREAD = 1e-4  # of a target that is the same in all rows
PROBABILITY = 1e-7
"""How near to 0 and 1 a probability counts, as in Keras's cross-entropy."""


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both tensors as one kind of float, once their shapes agree: nothing is broadcast."""
    if len(a.shape) != len(b.shape) or any(
        m is not None and n is not None and m != n for m, n in zip(a.shape, b.shape, strict=True)
    ):
        raise ValueError(
            "A distance compares two tensors of the same shape, and never broadcasts. "
            f"Received: shapes {tuple(a.shape)} and {tuple(b.shape)}. "
            "Project one of them to the other's size first."
        )
    dtype = keras.backend.result_type(keras.config.floatx(), "float32")
    return ops.cast(a, dtype), ops.cast(b, dtype)


def l2(a: Tensor, b: Tensor) -> Tensor:
    r"""Mean squared difference over the features: $\frac{1}{n} \sum_j (a_j - b_j)^2$.

    The paper's `d` (section 3.3: "we use L2 loss as d for all distillation methods"), read as a
    mean so that a weight means the same for states of any width.

    Args:
        a: Tensor of shape `(..., features)`.
        b: Tensor of the same shape.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> float(l2(ops.array([1.0, 3.0]), ops.array([1.0, 1.0])))
        2.0
    """
    mask = first_mask(a, b)
    a, b = _pair(a, b)
    return masked(ops.mean(ops.square(a - b), axis=-1), mask)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    r"""One minus the cosine of the angle: $1 - \frac{a \cdot b}{\|a\| \|b\|}$, between 0 and 2.

    Args:
        a: Tensor of shape `(..., features)`.
        b: Tensor of the same shape. A zero vector is at distance 1 from everything.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes differ.
    """
    mask = first_mask(a, b)
    a, b = _pair(a, b)
    norms = ops.sum(ops.square(a), axis=-1) * ops.sum(ops.square(b), axis=-1)
    return masked(1.0 - ops.sum(a * b, axis=-1) * ops.rsqrt(norms + _EPSILON), mask)


def pearson(a: Tensor, b: Tensor) -> Tensor:
    r"""One minus the Pearson correlation over the features, between 0 and 2.

    $1 - \rho(a, b)$: blind to the scale and the offset of either tensor, so a teacher whose
    values are much larger than the student's can still be followed. It is the relation between
    the entries of one example ("inter-class relation") of DIST.

    Args:
        a: Tensor of shape `(..., features)`.
        b: Tensor of the same shape. A constant vector is at distance 1 from everything.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Huang et al., "Knowledge Distillation from A Stronger Teacher", 2022, equations 4 and 6.
    """
    mask = first_mask(a, b)
    a, b = (x - ops.mean(x, axis=-1, keepdims=True) for x in _pair(a, b))
    return masked(cosine(a, b), mask)


def relative(values: Tensor, target: Tensor) -> Tensor:
    r"""Mean squared difference in units of the spread of the target, which is a constant.

    $\frac{1}{n} \sum_j (a_j - sg(b_j))^2 / (\frac{1}{n} \sum_j Var_{batch}(b_j) + 10^{-4})$, so
    that a weight means the same whatever the size of the target's numbers: 1 is what the target's
    mean would give.

    Args:
        values: Tensor of shape `(..., features)`.
        target: Tensor of the same shape. No gradient flows to it. What a mask leaves out does not
            count in its spread.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> target = ops.array([[0.0], [10.0]])
        >>> [round(float(x), 2) for x in relative(ops.array([[5.0], [5.0]]), target)]
        [1.0, 1.0]
    """
    mask = first_mask(values, target)
    a, b = _pair(values, ops.stop_gradient(target))
    count: Any = 1.0
    if mask is not None:
        count = ops.expand_dims(spread(mask_weight(mask, b.dtype), b[..., 0]), -1)
        b = ops.where(count > 0, b, 0.0)
        a = ops.where(count > 0, a, 0.0)
    axes = tuple(range(len(b.shape) - 1))
    centre = ops.mean(count * b, axes, keepdims=True)
    variance = ops.mean(count * ops.square(b - centre), axes)
    return masked(ops.mean(ops.square(a - b), axis=-1) / (ops.mean(variance) + _SPREAD), mask)


def kl(teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Divergence of the student's softened classes from the teacher's, times $T^2$.

    $T^2 \sum_c p_c (\log p_c - \log q_c)$ with $p = softmax(teacher / T)$ and
    $q = softmax(student / T)$. The factor $T^2$ keeps the gradient's size independent of $T$.

    Args:
        teacher_logits: Tensor of shape `(..., classes)`, before any softmax.
        student_logits: Tensor of the same shape.
        temperature: Positive; larger is softer. Default 1.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes differ or the temperature is not positive.

    Source:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """
    if not temperature > 0:
        raise ValueError(f"`temperature` must be positive. Received: {temperature}.")
    mask = first_mask(student_logits, teacher_logits)
    teacher_logits, student_logits = _pair(teacher_logits, student_logits)
    log_p = ops.log_softmax(teacher_logits / temperature, axis=-1)
    log_q = ops.log_softmax(student_logits / temperature, axis=-1)
    return masked(temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1), mask)


def binary_kl(teacher_logits: Tensor, student_logits: Tensor, temperature: float = 1.0) -> Tensor:
    r"""`kl` for yes-or-no outputs (clicks): each feature is one logit of a sigmoid.

    $\frac{T^2}{n} \sum_j p_j \log\frac{p_j}{q_j} + (1 - p_j) \log\frac{1 - p_j}{1 - q_j}$, with
    $p = \sigma(teacher / T)$ and $q = \sigma(student / T)$; a mean over the $n$ outputs.

    Args:
        teacher_logits: Tensor of shape `(..., outputs)`, before any sigmoid.
        student_logits: Tensor of the same shape.
        temperature: Positive; larger is softer. Default 1.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes differ or the temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"`temperature` must be positive. Received: {temperature}.")
    mask = first_mask(student_logits, teacher_logits)
    teacher_logits, student_logits = _pair(teacher_logits, student_logits)
    teacher_logits, student_logits = teacher_logits / temperature, student_logits / temperature
    p = ops.sigmoid(teacher_logits)
    divergence = p * (ops.log_sigmoid(teacher_logits) - ops.log_sigmoid(student_logits)) + (
        1.0 - p
    ) * (ops.log_sigmoid(-teacher_logits) - ops.log_sigmoid(-student_logits))
    return masked(temperature**2 * ops.mean(divergence, axis=-1), mask)


DISTANCES: dict[str, Distance] = {"l2": l2, "cosine": cosine, "pearson": pearson}
TASKS = ("regression", "binary", "classes")


def get(distance: str) -> Distance:
    """The distance between states or messages that has this name.

    Args:
        distance: `"l2"`, `"cosine"` or `"pearson"`.

    Raises:
        ValueError: If there is none of that name; the valid ones are listed.
    """
    if distance not in DISTANCES:
        raise ValueError(
            f"`distance` must be one of {', '.join(sorted(DISTANCES))}. Received: {distance!r}."
        )
    return DISTANCES[distance]


def check_task(task: str) -> str:
    """The kind of output, if it is a known one.

    Raises:
        ValueError: If it is not; the valid ones are listed.
    """
    if task not in TASKS:
        raise ValueError(f"`task` must be one of {', '.join(TASKS)}. Received: {task!r}.")
    return task


def logit_loss(
    teacher: Tensor, student: Tensor, task: str = "regression", temperature: float = 1.0
) -> Tensor:
    """What label distillation minimises, by the kind of output that the models have.

    Args:
        teacher: The teacher's predictions, shape `(..., outputs)`.
        student: The student's, of the same shape.
        task: `"regression"` (ratings: `l2`), `"binary"` (logits of a sigmoid: `binary_kl`) or
            `"classes"` (logits of a softmax: `kl`). Default `"regression"`.
        temperature: For the two kinds of logits. Default 1.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: For an unknown task, unequal shapes or a temperature that is not positive.
    """
    if check_task(task) == "regression":
        return l2(teacher, student)
    return (binary_kl if task == "binary" else kl)(teacher, student, temperature)


def on_labels(labels: Tensor, prediction: Tensor, task: str) -> Tensor:
    r"""What a prediction loses on the labels, whatever the task's own loss is.

    Squares of numbers (`l2`), the cross-entropy of clicks and of classes.

    Args:
        labels: The labels, shape `(..., outputs)`, or without the last axis where it is 1; of
            classes also their indices, shape `(...)` or `(..., 1)`.
        prediction: Shape `(..., outputs)`; of clicks and classes logits.
        task: `"regression"`, `"binary"` or `"classes"`.

    Returns:
        Tensor of shape `(...)`.

    Raises:
        ValueError: If the shapes do not belong to each other.

    Example:
        >>> float(on_labels(ops.array([0, 1]), ops.array([[5.0, 5.0], [5.0, 5.0]]), "classes")[0])
        0.693...

    Source:
        Zhang et al., "Confidence-Aware Multi-Teacher Knowledge Distillation", arXiv 2201.00007,
        equation 2, for classes.
    """
    if len(prediction.shape) == 1:
        prediction = ops.expand_dims(prediction, -1)
    if len(labels.shape) < len(prediction.shape):
        labels = ops.expand_dims(labels, -1)
    if task == "regression":
        return l2(labels, prediction)
    if task == "classes" and labels.shape[-1] == 1:
        labels = ops.one_hot(ops.squeeze(ops.cast(labels, "int32"), -1), prediction.shape[-1])
    labels, prediction = _pair(labels, prediction)
    if task == "binary":
        return ops.mean(ops.softplus(prediction) - labels * prediction, axis=-1)
    return -ops.sum(labels * ops.log_softmax(prediction, axis=-1), axis=-1)


def logits(probabilities: Tensor, task: str) -> Tensor:
    r"""Logits that stand for these probabilities: $\log p$ of classes, $\log p/(1-p)$ of clicks.

    Args:
        probabilities: Shape `(..., outputs)`. They are kept 1e-7 away from 0 and 1.
        task: `"binary"` or `"classes"`.

    Returns:
        Tensor of the same shape.

    Example:
        >>> float(logits(ops.array([0.5]), "binary")[0])
        0.0
    """
    dtype = keras.backend.result_type(keras.config.floatx(), "float32")
    p = ops.clip(ops.cast(probabilities, dtype), PROBABILITY, 1.0 - PROBABILITY)
    return ops.log(p) if task == "classes" else ops.log(p) - ops.log1p(-p)


def mean(values: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    r"""Mean over all examples, each times its weight: $\frac{1}{n} \sum_i w_i v_i$.

    Divides by the number of values, not by the sum of the weights, which is what Keras's own
    losses do, so that a weight acts alike on the task and on the distillation terms. Values that a
    mask leaves out are not counted, as there.

    Args:
        values: Tensor of shape `(batch, ...)`.
        sample_weight: None, or a tensor of shape `(batch,)` or `(batch, 1)`, or one whose shape
            begins as that of `values`: `(batch, time)` weighs each token.

    Returns:
        A scalar.

    Raises:
        ValueError: If the weights have more axes than the values, or other lengths.
    """
    mask = mask_of(values)
    if mask is not None and len(mask.shape) <= len(values.shape):
        weight = spread(mask_weight(mask, values.dtype), values)
        values = ops.where(weight > 0, values, 0.0) * weight
    sample_weight = one_weight(sample_weight, None)
    if sample_weight is None:
        return ops.mean(values)
    return ops.mean(values * spread(ops.cast(sample_weight, values.dtype), values))
