"""Whether a teacher has anything to teach: it is compared with a student that had none."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from tdrec.diagnostics.finding import FAIL, OK, WARN, Finding

SURE = 2.0
"""Standard errors beyond which a difference counts as shown."""


def columns(values: ArrayLike) -> NDArray[Any]:
    """Labels or predictions with an axis for the outputs: `(rows,)` becomes `(rows, 1)`.

    Args:
        values: Shape `(rows, ...)`.
    """
    array = np.asarray(values)
    return array[:, None] if array.ndim == 1 else array


def belong_together(labels: ArrayLike, prediction: ArrayLike) -> bool:
    """Whether a loss compares each row's labels with that row's prediction and with no other.

    Args:
        labels: Shape `(rows, ...)`.
        prediction: Shape `(rows, ...)`.

    Returns:
        True where a label is as large as a prediction, and where it is the number of one of the
        classes that the prediction's last axis holds.
    """
    labels, prediction = columns(labels), columns(prediction)
    if labels.shape == prediction.shape:
        return True
    *lead, classes = prediction.shape
    if labels.shape not in ((*lead, 1), tuple(lead)):
        return False
    return bool(np.isin(labels, np.arange(classes)).all())


def row_losses(loss: Any, labels: ArrayLike, prediction: ArrayLike) -> NDArray[np.float64]:
    """A Keras loss of each row, not averaged.

    Args:
        loss: What `compile` takes as the loss of one output: a name, a `keras.losses.Loss`, or a
            function of labels and predictions.
        labels: Shape `(rows, ...)`.
        prediction: Shape `(rows, ...)`.

    Returns:
        Shape `(rows,)`.

    Example:
        >>> row_losses("mse", [[1.0], [2.0]], [[1.0], [4.0]])
        array([0., 4.])
    """
    prediction, labels = columns(prediction), np.asarray(labels)
    if labels.ndim == prediction.ndim - 1 and prediction.shape[-1] == 1:
        labels = labels[..., None]  # as Keras itself does for labels of shape (rows,)
    rows = tuple(ops.convert_to_tensor(values, "float32") for values in (labels, prediction))
    found = keras.losses.get(loss)
    call = found.call if isinstance(found, keras.losses.Loss) else found
    values = call(*rows)
    if len(values.shape) == 0:  # of a function that takes the mean itself: each row is then a batch
        values = ops.vectorized_map(lambda row: call(row[0][None], row[1][None]), rows)
    values = ops.convert_to_numpy(values).astype(np.float64)
    return values.reshape(len(values), -1).mean(axis=1)


def constant_prediction(loss: Any, labels: ArrayLike, like: NDArray[Any]) -> NDArray[np.float32]:
    r"""The one prediction for all rows that the mean label suggests.

    Of the mean label $p$, its logarithm and its logit, the one with the least loss on these labels:
    so it fits losses of values, of probabilities and of logits. Integer labels of classes count as
    one-hot.

    Args:
        loss: As in `row_losses`.
        labels: The training labels, shape `(rows, ...)`.
        like: Predictions of a model, shape `(any, ...)`, for the shape of one.

    Returns:
        One prediction, shape `(1, ...)`.
    """
    labels = np.asarray(labels)
    if labels.size == len(labels) * like[0].size:
        values = labels.reshape(-1, *like.shape[1:])
    else:
        values = np.eye(like.shape[-1])[labels.reshape(-1, *like.shape[1:-1]).astype(int)]
    mean = values.mean(axis=0, keepdims=True, dtype=np.float64)
    share = np.clip(mean, 1e-6, 1 - 1e-6)
    candidates = [c.astype(np.float32) for c in (mean, np.log(share), np.log(share / (1 - share)))]

    def on_labels(constant: NDArray[np.float32]) -> float:
        repeated = np.repeat(constant, len(labels), axis=0)
        return float(np.nan_to_num(row_losses(loss, labels, repeated).mean(), nan=np.inf))

    return min(candidates, key=on_labels)


def compare(
    a: NDArray[np.float64], b: NDArray[np.float64], weight: ArrayLike | None = None
) -> tuple[float, float]:
    r"""The mean of $a - b$ over the rows, and its standard error.

    Args:
        a: Losses of one model, shape `(rows,)`.
        b: Losses of the other one on the same rows.
        weight: The rows' weights, shape `(rows, ...)`: a row of several counts by their mean.
            Default None: all alike.

    Returns:
        The weighted mean of the differences and its standard error, rows taken as independent.
    """
    difference = a - b
    w = np.ones(len(a)) if weight is None else np.asarray(weight, np.float64)
    w = w.reshape(len(a), -1).mean(axis=1)
    w = w / w.sum()
    mean = float(w @ difference)
    return mean, float(np.sqrt(np.square(w) @ np.square(difference - mean)))


Losses = dict[str, NDArray[np.float64]]


def check_teacher(losses: Losses, name: str, weight: ArrayLike | None = None) -> Finding:
    """Compares the teacher with a student that was trained without it.

    Args:
        losses: Those of `"teacher"`, `"scratch"` and perhaps others, each of shape `(rows,)`.
        name: What the loss is called.
        weight: The rows' weights. Default None: all alike.

    Returns:
        OK where the teacher is better by more than `SURE` standard errors, FAIL where it is worse
        by more, WARN between.
    """
    worse, error = compare(losses["teacher"], losses["scratch"], weight)
    means = {
        who: compare(values, np.zeros_like(values), weight)[0] for who, values in losses.items()
    }
    rows = len(losses["scratch"])
    figures = {"loss": name, "rows": rows, **means, "difference": worse, "standard_error": error}
    listed = ", ".join(f"{who} {mean:.4g}" for who, mean in means.items())
    by = f"{abs(worse):.4g} ± {error:.2g} in {name} over {rows:,} rows ({listed})"
    if worse < -SURE * error:
        text = f"The teacher is better than a student from scratch on this segment, by {by}."
        return Finding("teacher", OK, text, None, figures)
    if worse > SURE * error:
        return Finding(
            "teacher",
            FAIL,
            f"The teacher is worse than a student from scratch on this segment, by {by}: label "
            "distillation will hurt.",
            "Train the teacher longer or on rows of this segment too; else serve the student from "
            "scratch.",
            figures,
        )
    return Finding(
        "teacher",
        WARN,
        "The teacher is not shown to be better than a student from scratch on this segment: they "
        f"differ by {by}.",
        "Expect little of its predictions. Compare methods over several seeds before you serve a "
        "distilled student, or find a better teacher.",
        figures,
    )


def check_scratch(losses: Losses, name: str, weight: ArrayLike | None = None) -> Finding:
    """Compares a student that was trained without a teacher with a constant.

    Args:
        losses: Those of `"scratch"` and `"constant"`, each of shape `(rows,)`.
        name: What the loss is called.
        weight: The rows' weights. Default None: all alike.

    Returns:
        WARN where the student is no better.
    """
    gain, error = compare(losses["constant"], losses["scratch"], weight)
    by = f"{gain:.4g} ± {error:.2g} in {name}"
    figures = {"loss": name, "gain": gain, "standard_error": error}
    if gain > 0:
        text = f"A student from scratch is better than a constant, by {by}."
        return Finding("scratch", OK, text, None, figures)
    return Finding(
        "scratch",
        WARN,
        f"A student from scratch is no better than a constant: it gains {by}.",
        "Train it longer (`scratch_steps`), or hand over one that was trained (`scratch`). If it "
        "stays so, the inputs say little of the labels.",
        figures,
    )
