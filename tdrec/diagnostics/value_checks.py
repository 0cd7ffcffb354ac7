"""Checks of values: inputs, labels, ids and what the models make of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tdrec.diagnostics.embedding_ids import IdRange
from tdrec.diagnostics.finding import FAIL, OK, WARN, Finding
from tdrec.diagnostics.states import States
from tdrec.diagnostics.teacher_verdict import belong_together

STRAY_SHARE = 0.01
"""Share of predictions that may be further from the labels' range than that range is wide."""


def check_rows(arrays: Mapping[str, NDArray[Any]]) -> Finding:
    """Looks for what is not a number in inputs, labels and sample weights.

    Args:
        arrays: By name, shape `(rows, ...)`; the labels' names begin with `"labels"`.

    Returns:
        FAIL for NaN or infinite values, WARN for labels that are all the same.
    """
    sick = {name: _sick_rows(values) for name, values in arrays.items()}
    rows = len(next(iter(arrays.values())))
    if any(sick.values()):
        where = ", ".join(f"{count:,} rows of {name}" for name, count in sick.items() if count)
        return Finding(
            "data",
            FAIL,
            f"There are NaN or infinite values in {where}, of {rows:,} rows.",
            "Drop these rows, or fill the values in, before training.",
            {"rows": rows, "not_finite": {k: v for k, v in sick.items() if v}},
        )
    for name, values in arrays.items():
        if name.startswith("labels") and (values == values[:1]).all():
            return Finding(
                "data",
                WARN,
                f"All {name} are the same: {values.flat[0]}.",
                "There is nothing to learn from them: check the column.",
                {"rows": rows},
            )
    return Finding("data", OK, f"All values of {rows:,} rows are finite.", None, {"rows": rows})


def check_ids(ranges: Sequence[IdRange], rows: int) -> Iterator[Finding]:
    """Looks for ids without a row in their embedding table.

    Args:
        ranges: The ids seen.
        rows: How many rows were looked at.

    Yields:
        FAIL for an id below 0 or beyond a table's end; nothing where no table was asked.
    """
    ranges = [r for r in ranges if r.was_asked]
    if not ranges:
        return
    figures = {f"{r.owner}/{r.table}": [r.least, r.greatest, r.size] for r in ranges}
    bad = "; ".join(
        f"the {r.owner}'s {r.table!r} has rows 0 to {r.size - 1} and was asked for {r.least} to "
        f"{r.greatest}"
        for r in ranges
        if not r.is_sound
    )
    if bad:
        yield Finding(
            "ids",
            FAIL,
            f"There are ids out of range: {bad}.",
            "Make the table larger, or map unknown ids to an out-of-vocabulary row. Nothing raises "
            "for -1, nor for any on a GPU.",
            figures,
        )
    else:
        text = f"The ids of {rows:,} rows are in range, in {len(ranges)} embedding tables."
        yield Finding("ids", OK, text, None, figures)


def check_shapes(
    prediction: NDArray[Any] | None, labels: NDArray[Any] | None, weighted: bool
) -> Iterator[Finding]:
    """Looks whether a loss compares each row's label with that row's prediction.

    Args:
        prediction: The student's, shape `(rows, ...)`; None if it is not known.
        labels: Of the same rows; None if it is not known.
        weighted: Whether the rows have sample weights.

    Yields:
        FAIL where a loss would spread one over the other, WARN where it would lose the weights;
        nothing where all is well.
    """
    if prediction is None or labels is None:
        return
    label, predicted = labels.shape[1:], prediction.shape[1:]
    figures = {"labels": list(label), "prediction": list(predicted)}
    if not belong_together(labels, prediction):
        yield Finding(
            "shapes",
            FAIL,
            f"A row has labels of shape {label} and a prediction of shape {predicted}: a loss "
            "spreads one over the other, or fails.",
            "Let the student predict as many values as a row has labels. Classes are numbered "
            "from 0 to one less than the student has outputs.",
            figures,
        )
    elif weighted and label == predicted == ():
        yield Finding(
            "shapes",
            WARN,
            "Labels and predictions are of shape (rows,): Keras takes the mean of their loss "
            "before it weighs, so that the rows' weights are lost.",
            "Give the labels an axis, shape (rows, 1): labels[:, None].",
            figures,
        )


def check_finite(outputs: Mapping[str, States]) -> Finding:
    """Looks for what is not a number in the models' states, messages and predictions.

    Args:
        outputs: By the model's name, what `hidden_states` gives.
    """
    sick = {
        f"the {who}'s {name}": _sick_rows(values)
        for who, states in outputs.items()
        for name, values in states.items()
    }
    if any(sick.values()):
        where = ", ".join(f"{name} ({count:,} rows)" for name, count in sick.items() if count)
        return Finding(
            "outputs",
            FAIL,
            f"There are NaN or infinite values in {where}.",
            "The weights have exploded or were damaged: load a sound checkpoint. If it comes back, "
            "lower the learning rate and clip gradients (`clipnorm=1.0` of the optimizer).",
            {"not_finite": {k: v for k, v in sick.items() if v}},
        )
    return Finding("outputs", OK, "All states, messages and predictions are finite.")


def check_range(predictions: States, labels: NDArray[Any] | None) -> Iterator[Finding]:
    """Compares the range of predictions with that of the labels.

    Args:
        predictions: By the model's name, shape `(rows, ...)`.
        labels: Of the same rows.

    Yields:
        WARN where a model's mean lies outside of the labels' range, or more than `STRAY_SHARE` of
        its predictions further from it than its own width. Nothing for labels of classes, or of 0
        and 1, which set no range for logits.
    """
    if labels is None or np.isin(labels, (0, 1)).all():
        return
    low, high = float(labels.min()), float(labels.max())
    figures: dict[str, Any] = {"labels": [low, high]}
    far = []
    for who, values in predictions.items():
        if values.size != labels.size:
            continue
        figures[who] = [float(values.min()), float(values.max())]
        stray = (values < low - (high - low)) | (values > high + (high - low))
        if not low <= values.mean() <= high or stray.mean() > STRAY_SHARE:
            far.append(who)
    text = "; ".join(f"{name} {a:.4g} to {b:.4g}" for name, (a, b) in figures.items())
    if far:
        yield Finding(
            "range",
            WARN,
            f"Ranges: {text}. Predictions of the {' and the '.join(far)} are far from the labels.",
            "Check that labels and both models are on one scale. Let a new student start at the "
            "mean: bias_initializer=keras.initializers.Constant(mean label) in its last layer.",
            figures,
        )
    else:
        yield Finding("range", OK, f"Ranges: {text}.", None, figures)


def _sick_rows(values: NDArray[Any]) -> int:
    """Rows with a value that is not finite; integers and strings have none."""
    if values.dtype.kind not in "fc" and not str(values.dtype).startswith(("bfloat", "float8")):
        return 0
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return int(len(values) - finite.sum())
