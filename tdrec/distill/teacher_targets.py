"""The teacher's targets, computed once for a whole data set and reused.

The teacher is frozen, so its trace of a row depends on the row alone: one pass serves every epoch,
method, seed and trial.
"""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tdrec.distill.fingerprint import fingerprint, hash_arrays
from tdrec.distill.given_data import (
    batches_of,
    check_lengths,
    check_rows,
    is_rows,
    names_of,
    refuse_not_finite,
)
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.row_order import RowOrder, shuffled
from tdrec.distill.sample_weights import WithWeights
from tdrec.distill.trace_names import flat, nested
from tdrec.runtime.files import replacing, user_path

_ALIGNMENT = 64  # bytes: TensorFlow takes an array's memory as it is if it starts at a multiple


class TeacherTargets:
    """Remembers a teacher's traces, keyed by the teacher's weights and the data's hash.

    A retrained teacher, another cut or other rows make another key, so a stale trace is never
    used.

    Args:
        directory: Where to keep traces between processes, as `.npz` files. Default None: in
            memory only, for as long as this object lives.
        batch_size: Rows of one forward pass. Default 1024.

    Example:
        >>> targets = TeacherTargets()
        >>> trace = targets(teacher_split, x)
        >>> trace.low.shape
        (256, 16)
    """

    def __init__(self, directory: str | Path | None = None, batch_size: int = 1024) -> None:
        self.directory = None if directory is None else user_path(directory)
        self.batch_size = batch_size
        self._traces: dict[str, Trace] = {}

    def __call__(self, teacher: ModelSplit, x: Any, fields: Sequence[str] = Trace._fields) -> Trace:
        """The teacher's trace of every row.

        Args:
            teacher: The teacher's split.
            x: Its inputs, arrays of shape `(rows, ...)`.
            fields: What to keep of the trace: 4 bytes a row for each unit. Default all.

        Returns:
            A `Trace` of float32 arrays of shape `(rows, ...)`: constants, made with
            `training=False`; None in the fields that are not kept. Its prediction is the output
            that is distilled, or all of them where a teacher has several and its split names none.

        Raises:
            ValueError: If the inputs have different lengths or no row, a target is NaN or
                infinite, or the teacher's output of a row is of the whole batch.
        """
        (x,) = check_rows((x,))
        key = "-".join([_key(teacher, x), *fields])
        if key not in self._traces:
            path = self.directory and self.directory / f"{key}.npz"
            trace = _read(path) if path and path.exists() else None
            if trace is None:
                refuse_in_batch(teacher, x, fields)
                trace = self._compute(teacher, x, fields)
                check_trace(trace)
                if path:
                    _write(path, trace)
            self._traces[key] = trace
        return self._traces[key]

    def _compute(self, teacher: ModelSplit, x: Any, fields: Sequence[str]) -> Trace:
        arrays: dict[str, Any] = {}  # filled in place: joining parts would hold all twice
        rows, done = len(keras.tree.flatten(x)[0]), 0
        for batch in batches(x, self.batch_size):
            trace = teacher.distilled(teacher(_of_backend(batch)))._asdict()
            size = len(keras.tree.flatten(batch)[0])
            for field in fields:
                if (part := trace.get(field)) is not None:
                    if field not in arrays:
                        arrays[field] = keras.tree.map_structure(
                            lambda output: _aligned((rows, *output.shape[1:])), part
                        )
                    for array, output in zip(
                        keras.tree.flatten(arrays[field]), keras.tree.flatten(part), strict=True
                    ):
                        array[done : done + size] = output
            done += size
        return Trace(*(arrays.get(field) for field in Trace._fields))


def in_memory(data: Any, steps: int | None = None) -> tuple[tuple, int]:
    """All rows of a data set as arrays: `batches` taken back.

    Args:
        data: Arrays, or what gives batches, as of `batches_of`.
        steps: How many batches to read, at most. Default None: all.

    Returns:
        The rows, always a tuple such as `(x, y)`, and the batch size that they came in, 256 for
        arrays.

    Raises:
        ValueError: If there is no row, and as `check_rows` and `batches_of`.
    """
    if is_rows(data):
        return check_rows(data), 256
    parts = list(batches_of(data, steps))
    if not parts:
        raise ValueError("The data must have at least one batch. Received: an empty dataset.")
    names = iter(names_of(parts[0]))

    def joined(*arrays: Any) -> Any:
        name = next(names)
        if arrays[0] is None:
            return None
        if len(shapes := {array.shape[1:] for array in arrays}) > 1:
            raise ValueError(
                f"Rows must be arrays of one shape. Received: {name} with entries of shapes "
                f"{', '.join(map(str, sorted(shapes)))}. Pad them to one: "
                "dataset.padded_batch(size, padded_shapes=...)."
            )
        return np.concatenate(arrays)

    rows = keras.tree.map_structure(joined, *parts)
    first = next(a for a in keras.tree.flatten(parts[0]) if a is not None)
    return rows, len(first)


def check_trace(trace: Trace, rows: int | None = None) -> None:
    """Refuses targets that cannot be learned.

    Args:
        trace: Of arrays, None in the fields that there are not.
        rows: How many there must be. Default None: that is known.

    Raises:
        ValueError: If a value is NaN or infinite, or there are more or fewer rows.
    """
    for name, output in flat(trace).items():
        if rows is not None:
            check_lengths({"x": np.empty(rows), f"the teacher's {name}": output})
        refuse_not_finite(name, np.asarray(output))


def as_tensors(trace: Trace) -> Trace:
    """A trace that `TeacherTargets` made, as tensors in the same memory.

    `tf.convert_to_tensor` would copy, and hold the targets three times while it does.

    Args:
        trace: Of arrays, which must not be changed while the tensors live.

    Returns:
        The same as tensors; those that were read from a file, and so may lie elsewhere, are copied.
    """
    return Trace(*(f if f is None else keras.tree.map_structure(_tensor, f) for f in trace))


class WithTargets(NamedTuple):
    """Inputs of a batch or a data set that carry the teacher's targets with them.

    Attributes:
        inputs: What the student takes, of any structure.
        targets: The teacher's trace of the same rows, the fields by name that a method reads.
    """

    inputs: Any
    targets: dict[str, Any]


def attach(x: Any, targets: Trace, fields: tuple[str, ...]) -> WithTargets:
    """Inputs with the teacher's targets.

    Args:
        x: The inputs, of any structure.
        targets: The teacher's trace of the same rows.
        fields: The fields of the trace to carry.
    """
    return WithTargets(x, {field: getattr(targets, field) for field in fields})


def detach(x: Any) -> tuple[Any, dict[str, Any] | None]:
    """Inputs and the targets that they carry, None if they carry none."""
    x = x.inputs if isinstance(x, WithWeights) else x
    return x if isinstance(x, WithTargets) else (x, None)


def batches(
    data: Any,
    batch_size: int,
    *,
    shares: Sequence[float] = (1.0,),
    shuffle: bool = False,
    seed: int | None = None,
    drop_remainder: bool = False,
    resumable: bool = False,
) -> tf.data.Dataset:
    """Batches of arrays that are in memory.

    Only row numbers are shuffled, so an epoch costs one gather a batch.

    Args:
        data: Arrays of shape `(variants * rows, ...)`, in any structure: the variants of all rows,
            one after the other.
        batch_size: Rows a batch.
        shares: How often each variant of a row is drawn. A pass takes each row once, in one of its
            variants. Default: there is one.
        shuffle: Whether each pass has an order of its own. Default False.
        seed: Makes the orders and the variants repeatable. Default None.
        drop_remainder: Whether to leave out a last batch that is not full. Default False.
        resumable: Whether the order of a pass is known by the seed and by where the training is
            (`RowOrder`), and not by how often the dataset was read. Default False.

    Returns:
        A `tf.data.Dataset` of the same structure.
    """
    with tf.device("CPU"):
        tensors = keras.tree.map_structure(
            lambda array: None if array is None else tf.convert_to_tensor(array), data
        )
    rows = len(keras.tree.flatten(tensors)[0]) // len(shares)
    order = None
    if shuffle and resumable:
        steps = rows // batch_size if drop_remainder else -(-rows // batch_size)
        order = passes = RowOrder(steps, seed)
        dataset = passes.dataset(
            lambda number: tf.data.Dataset.from_tensor_slices(
                shuffled(rows, passes.seed, number)
            ).batch(batch_size, drop_remainder=drop_remainder)
        )
    else:
        dataset = tf.data.Dataset.range(rows)
        if shuffle:
            dataset = dataset.shuffle(rows, seed=seed, reshuffle_each_iteration=True)
        dataset = dataset.batch(batch_size, drop_remainder=drop_remainder)
    if len(shares) > 1:
        bounds = tf.constant(np.cumsum(shares)[:-1], tf.float32)

        def draw_variant(index: Any, seed: Any) -> Any:
            draws = tf.random.stateless_uniform(tf.shape(index), seed=tf.stack([seed, 0]))
            return index + rows * tf.searchsorted(bounds, draws, side="right", out_type=tf.int64)

        seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
        dataset = tf.data.Dataset.zip(dataset, seeds).map(draw_variant)
    dataset = dataset.map(
        lambda index: keras.tree.map_structure(
            lambda tensor: None if tensor is None else tf.gather(tensor, index), tensors
        )
    )
    dataset = ahead(dataset)
    return dataset if order is None else order.mark(dataset)


def ahead(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Two batches are made while a step runs, in the way that costs the step least.

    Args:
        dataset: Of batches.
    """
    # tf.data's autotuning adds threads, which on two cores take half of the training step's speed,
    # and its rewriting of the graph copies all rows and targets once for each new iterator.
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.prefetch(2).with_options(options)


def teacher_key(teacher: ModelSplit, x: Any) -> str:
    """Hash of a teacher's weights, and of what it makes of the first rows.

    The latter tells apart two cuts of one model, and callables whose weights are not known.

    Args:
        teacher: The teacher's split.
        x: Its inputs, arrays of shape `(rows, ...)`.

    Returns:
        64 hexadecimal digits.
    """
    return hash_arrays(_first_outputs(teacher, x), start=fingerprint(teacher))


def trace_of(teacher: ModelSplit, x: Any, fields: Sequence[str]) -> dict[str, np.ndarray]:
    """A teacher's outputs of one batch.

    Args:
        teacher: The teacher's split.
        x: Its inputs, arrays of shape `(rows, ...)`.
        fields: What to return of the trace.

    Returns:
        Arrays by field, without those that the teacher lacks.
    """
    inputs = _of_backend(keras.tree.map_structure(tf.convert_to_tensor, x))
    trace = teacher.distilled(teacher(inputs))._asdict()
    outputs = {field: trace[field] for field in fields if trace.get(field) is not None}
    return {
        field: keras.tree.map_structure(
            lambda t: keras.ops.convert_to_numpy(t).astype("float32"), tensors
        )
        for field, tensors in outputs.items()
    }


def refuse_in_batch(teacher: ModelSplit, x: Any, fields: Sequence[str]) -> None:
    """Refuses a teacher whose output of a row depends on how many rows are in the batch.

    Args:
        teacher: The teacher's split.
        x: Its inputs, arrays of shape `(rows, ...)`.
        fields: What is to be kept of its trace.

    Raises:
        ValueError: If it is one.
    """
    one, two = (
        trace_of(teacher, keras.tree.map_structure(lambda a, n=n: a[:n], x), fields) for n in (1, 2)
    )
    for field in one:
        shapes = [[o.shape[1:] for o in keras.tree.flatten(t[field])] for t in (one, two)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "The teacher's targets of a row are computed once and put in any batch, so they "
                f"must be of that row alone. Received: a {field} of {shapes[0]} numbers a row in a "
                f"batch of one row, and of {shapes[1]} in a batch of two, such as scores of all "
                "items of the batch. Let the teacher answer in each step: fit on the data as it is."
            )


def _key(teacher: ModelSplit, x: Any) -> str:
    """Hash of the weights, of the rows, and of what the teacher makes of the first of them."""
    first = _first_outputs(teacher, x)
    return hash_arrays([*keras.tree.flatten(x), *first], start=fingerprint(teacher))


def _first_outputs(teacher: ModelSplit, x: Any) -> list[Any]:
    few = _of_backend(keras.tree.map_structure(lambda array: tf.convert_to_tensor(array[:8]), x))
    return [t for t in keras.tree.flatten(tuple(teacher.distilled(teacher(few)))) if t is not None]


def _of_backend(x: Any) -> Any:
    """TensorFlow's tensors as those of Keras's backend; strings, which others lack, as they are."""
    return keras.tree.map_structure(
        lambda t: t if t.dtype == tf.string else keras.ops.convert_to_tensor(t), x
    )


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array, not yet filled, whose memory a tensor can share."""
    size, item = math.prod(shape), np.dtype("float32").itemsize
    memory = np.empty(size + _ALIGNMENT // item, "float32")
    start = -memory.ctypes.data % _ALIGNMENT // item
    return memory[start : start + size].reshape(shape)


def _tensor(array: np.ndarray) -> tf.Tensor:
    if array.ctypes.data % _ALIGNMENT or not array.flags.c_contiguous:
        copy = _aligned(array.shape)
        copy[...] = array
        array = copy
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _read(path: Path) -> Trace | None:
    """The trace in the file, None if it is damaged (a disk that was full, a copy cut short)."""
    try:
        with np.load(path) as stored:
            return Trace(**{**dict.fromkeys(Trace._fields), **nested(stored)})
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, trace: Trace) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, **flat(trace))
