"""What it costs to serve and to train a model: parameters, multiplications, file, latency."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.distill.backend import require_tensorflow

BATCH_SIZES = (1, 256)
"""Rows of a batch at which `compare_models` measures latency."""


@dataclass(frozen=True)
class ModelCost:
    """What one model costs.

    Attributes:
        name: The model's name.
        params: Number of its weights.
        multiply_adds: Multiplications of one row's prediction, or None: see `multiply_adds`.
        file_bytes: Size of its `.keras` file without an optimizer's state; None if Keras cannot
            write one.
        latency_ms: By rows of a batch, median time of one prediction, milliseconds.
    """

    name: str
    params: int
    multiply_adds: int | None
    file_bytes: int | None
    latency_ms: dict[int, float]


@dataclass(frozen=True)
class Comparison:
    """Teacher and student side by side.

    Attributes:
        teacher: The teacher's cost.
        student: The student's cost.

    Example:
        >>> teacher = ModelCost("teacher", 600_000, 290_000, 2_400_000, {1: 0.9})
        >>> student = ModelCost("student", 60_000, 19_000, 300_000, {1: 0.3})
        >>> print(Comparison(teacher, student).to_markdown())
        | | teacher | student | teacher / student |
        |---|---:|---:|---:|
        | parameters | 600,000 | 60,000 | 10.0 |
        | multiply-adds a row | 290,000 | 19,000 | 15.3 |
        | `.keras` file, bytes | 2,400,000 | 300,000 | 8.0 |
        | latency, batch of 1, ms | 0.900 | 0.300 | 3.0 |
        <BLANKLINE>
    """

    teacher: ModelCost
    student: ModelCost

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def to_markdown(self) -> str:
        """A table; its last column says how many times the student's number fits the teacher's."""
        rows: list[tuple[str, float | None, float | None, str]] = [
            ("parameters", self.teacher.params, self.student.params, ",.0f"),
            ("multiply-adds a row", self.teacher.multiply_adds, self.student.multiply_adds, ",.0f"),
            ("`.keras` file, bytes", self.teacher.file_bytes, self.student.file_bytes, ",.0f"),
        ]
        for size, latency in self.student.latency_ms.items():
            label = f"latency, batch of {size}, ms"
            rows.append((label, self.teacher.latency_ms[size], latency, ".3f"))
        lines = ["| | teacher | student | teacher / student |", "|---|---:|---:|---:|"]
        for label, teacher, student, form in rows:
            ratio = f"{teacher / student:.1f}" if teacher is not None and student else "–"
            cells = ("–" if value is None else format(value, form) for value in (teacher, student))
            lines.append(f"| {label} | {' | '.join(cells)} | {ratio} |")
        return "\n".join(lines) + "\n"


def compare_models(
    teacher: keras.Model,
    student: keras.Model,
    sample: Any,
    *,
    teacher_sample: Any = None,
    repeats: int = 50,
) -> Comparison:
    """Measures what teacher and student cost, on the device where TensorFlow runs them.

    The two are timed in turn, batch by batch, so that another load on the machine meets both.

    Args:
        teacher: The teacher.
        student: The student.
        sample: Rows as the student takes them, `(N, ...)` each with N at least 1. They are
            repeated to fill a batch.
        teacher_sample: The same as the teacher takes them. Default None: `sample`.
        repeats: How many times each is timed; the median counts. Default 50.

    Returns:
        The `Comparison`.

    Raises:
        RuntimeError: If Keras runs on another backend than TensorFlow.
        ValueError: If `repeats` is below 1 or there are no rows.

    Example:
        >>> comparison = compare_models(teacher, student, encoder.encode(test), repeats=5)
        >>> comparison.student.params < comparison.teacher.params
        True
    """
    require_tensorflow("The comparison of two models", "load their `.keras` files where it runs")
    if repeats < 1:
        raise ValueError(f"`repeats` must be at least 1. Received: {repeats}.")
    models = (
        (teacher, sample if teacher_sample is None else teacher_sample),
        (student, sample),
    )
    latencies = {size: latency_ms(models, size, repeats) for size in BATCH_SIZES}
    costs = [
        ModelCost(
            name=model.name,
            params=model.count_params(),
            multiply_adds=multiply_adds(model, x),
            file_bytes=_file_bytes(model),
            latency_ms={size: medians[i] for size, medians in latencies.items()},
        )
        for i, (model, x) in enumerate(models)
    ]
    return Comparison(*costs)


def latency_ms(
    models: Sequence[tuple[keras.Model, Any]], rows: int = 256, repeats: int = 20
) -> list[float]:
    """Median time of one batch of predictions, for models that are run in turn.

    Args:
        models: Pairs of a model and its inputs, `(N, ...)` each with N at least 1.
        rows: Rows of a batch. Default 256.
        repeats: How many times each model is timed. Default 20.

    Returns:
        Milliseconds, one for each model. Tracing and the first two predictions are left out.

    Raises:
        ValueError: If there are no rows.
    """
    runs = [(_compiled(model), _batch(x, rows)) for model, x in models]
    times = []
    for _ in range(repeats + 2):
        taken = []
        for predict, batch in runs:
            start = time.perf_counter()
            keras.tree.map_structure(lambda y: y.numpy(), predict(batch))
            taken.append(time.perf_counter() - start)
        times.append(taken)
    return [float(median) * 1e3 for median in np.median(times[2:], axis=0)]


def multiply_adds(model: keras.Model, x: Any) -> int | None:
    """Multiplications of one row's prediction.

    Counted are the matrix products and convolutions of the model's TensorFlow graph. Elementwise
    steps and lookups are left out, being small beside them.

    Args:
        model: The model.
        x: Its inputs, `(N, ...)` each with N at least 1.

    Returns:
        The number; None where the graph does not show it, for it has loops, calls of functions or
        products of unknown shape.
    """
    return _count(_compiled(model), _batch(x, 1))


def training_multiply_adds(distiller: Any, data: Any) -> int | None:
    """Multiplications of one row in a training step, forward and backward.

    What is counted is what `multiply_adds` counts.

    Args:
        distiller: A built and compiled `tdrec.Distiller`.
        data: Its data, `(x, y)` of shape `(N, ...)` each with N at least 1. Where they carry the
            teacher's targets, the teacher's own forward pass is no part of the step.

    Returns:
        The number; None where the graph does not show it.
    """

    def gradients(batch: Any) -> Any:
        with tf.GradientTape() as tape:
            _, task_loss, terms = distiller.compute_losses(batch, ("student", "method"))
            loss = task_loss + sum(terms.values())
        return tape.gradient(loss, distiller.trainable_variables)

    step = tf.function(gradients, autograph=False)
    return _count(step, keras.tree.map_structure(lambda part: part[:1], data))


def save_keras(model: keras.Model, path: str | Path) -> None:
    """Writes a model's `.keras` file as it is served: without the state of its optimizer.

    Args:
        model: The model, built.
        path: A path that ends in `.keras`.

    Raises:
        NotImplementedError: If the model has no configuration that could be written.
        TypeError: If it was compiled, and Keras cannot make it from its configuration.
        ValueError: If it was compiled, and has a layer that Keras does not read back.
    """
    if model.compiled:  # Keras would write the optimizer, three times the weights for Adam
        with tempfile.TemporaryDirectory() as folder:
            # Through a file, which has what layers learned by `adapt` and a configuration has not.
            whole = Path(folder) / "model.keras"
            model.save(whole)
            model = keras.models.load_model(whole, compile=False)
    model.save(path)


def _compiled(model: keras.Model) -> Any:
    return tf.function(lambda x: model(x, training=False), autograph=False)


def _batch(x: Any, rows: int) -> Any:
    """The first `rows` rows as tensors, repeated where there are fewer."""

    def take(values: Any) -> tf.Tensor:
        values = np.asarray(values)
        if not len(values):
            raise ValueError("A model is measured on at least one row. Received: no rows.")
        return tf.convert_to_tensor(np.resize(values, (rows, *values.shape[1:])))

    return keras.tree.map_structure(take, x)


def _count(function: Any, batch: Any) -> int | None:
    graph = function.get_concrete_function(batch).graph
    counts = [_multiplications(operation) for operation in _needed(graph.outputs)]
    return None if any(count is None for count in counts) else sum(c for c in counts if c)


def _needed(outputs: Sequence[Any]) -> list[tf.Operation]:
    """The operations that the outputs are made by: a gradient's graph has others, which never run.

    The gradients of the teacher's frozen kernels are among those.
    """
    todo, found = [tensor.op for tensor in outputs], {}
    while todo:
        operation = todo.pop()
        if id(operation) not in found:
            found[id(operation)] = operation
            todo += [tensor.op for tensor in operation.inputs]
    return list(found.values())


def _multiplications(operation: tf.Operation) -> int | None:
    """Those of one node of a graph; None if they cannot be read off it."""
    kind = operation.type
    if kind in ("MatMul", "BatchMatMul", "BatchMatMulV2"):
        left = operation.inputs[0].shape
        transposed = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        return _product(operation.outputs[0].shape, left[-2 if transposed else -1 :][:1])
    if kind in ("Conv1D", "Conv2D", "Conv3D"):
        return _product(operation.outputs[0].shape, operation.inputs[1].shape[:-1])
    if kind == "DepthwiseConv2dNative":
        return _product(operation.outputs[0].shape, operation.inputs[1].shape[:2])
    if kind == "Einsum":
        terms = operation.get_attr("equation").decode().split("->")[0].split(",")
        if any("." in term for term in terms):
            return None
        sizes: dict[str, int | None] = {}
        for term, tensor in zip(terms, operation.inputs, strict=True):
            sizes.update(zip(term, tensor.shape, strict=True))
        return _product(sizes.values())
    return None if "PartitionedCall" in kind or "While" in kind else 0


def _product(*shapes: Any) -> int | None:
    product = 1
    for shape in shapes:
        for size in shape:
            if size is None:
                return None
            product *= int(size)
    return product


def _file_bytes(model: keras.Model) -> int | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        try:
            save_keras(model, path)
        except (NotImplementedError, TypeError, ValueError):
            return None
        return os.path.getsize(path)
