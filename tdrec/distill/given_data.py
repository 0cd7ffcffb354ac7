"""The door for data: every kind that is taken becomes rows of arrays, checked before any work.

What Keras's `fit` takes is taken, or refused with its name and what to give instead.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PARTS = ("x", "y", "sample_weight")


def check_rows(data: Any, where: str = "") -> tuple:
    """Rows in memory: arrays of known types, equally long, one at least.

    A column whose dtype says nothing (`object`, as strings and lists have in pandas and TFDS) is
    taken as what its entries are, so that it is checked as a typed one is.

    Args:
        data: `(x, y, sample_weight)`, `(x, y)`, `(x,)` or x alone: arrays, tensors or columns of
            pandas, in any structure. None stands for what there is not.
        where: Of which part of the data this is, for the messages: `" in batch 3"`.

    Returns:
        A tuple of the same structure, of arrays.

    Raises:
        ValueError: If arrays have different lengths, there is no row, or a column holds what is
            neither numbers nor strings.
    """
    if isinstance(data, list):
        raise ValueError(
            "A list is read by Keras as the inputs of one model, so labels in it would be taken "
            f"for inputs. Received: a list of {len(data)}{where}. Give a tuple, (x, y) or "
            "(x, y, sample_weight), or a tf.data.Dataset of such batches."
        )
    rows = data if isinstance(data, tuple) and not hasattr(data, "_fields") else (data,)
    if not 1 <= len(rows) <= len(PARTS):
        raise ValueError(
            "Data is (x,), (x, y) or (x, y, sample_weight). Received: a tuple of "
            f"{len(rows)}{where}. Put several inputs into one: ((x1, x2), y)."
        )
    names = iter(names_of(rows))
    rows = keras.tree.map_structure(lambda a: as_array(a, next(names) + where), rows)
    check_lengths(dict(zip(names_of(rows), keras.tree.flatten(rows), strict=True)), where)
    return rows


def check_lengths(arrays: Mapping[str, Any], where: str = "") -> int:
    """How many rows some arrays have, which must be the same for all.

    Args:
        arrays: By name; None is skipped.
        where: As of `check_rows`.

    Returns:
        The number of rows.

    Raises:
        ValueError: If the arrays have different lengths, or no row.
    """
    shapes = {name: np.shape(a) for name, a in arrays.items() if a is not None}
    if scalars := [name for name, shape in shapes.items() if not shape]:
        raise ValueError(
            f"Each array must have an entry for each row. Received: {scalars[0]} of shape "
            f"(){where}, which is single. Give arrays of shape (rows, ...), or batches: "
            "dataset.batch(256)."
        )
    rows = {name: shape[0] for name, shape in shapes.items()}
    if len(set(rows.values())) > 1:
        lengths = ", ".join(f"{name} of {count} rows" for name, count in rows.items())
        raise ValueError(
            "Inputs, labels and weights must be equally long, an entry for each row. Received: "
            f"{lengths}{where}. Make them one length; of single rows make batches first: "
            "dataset.batch(256)."
        )
    if not rows or 0 in rows.values():
        raise ValueError(
            "The data must have at least one row. Received: "
            f"{', '.join(f'{name} of shape {shape}' for name, shape in shapes.items()) or 'none'}"
            f"{where}. Look at what filtered or split it."
        )
    return next(iter(rows.values()))


def batches_of(data: Any, steps: int | None = None) -> Iterator[tuple]:
    """The batches of data that comes in batches, each checked by `check_rows`.

    Args:
        data: A `tf.data.Dataset` of batches, a `keras.utils.PyDataset`, or a generator.
        steps: How many batches to read, at most. Default None: all. Needed where it cannot be
            known that there is an end.

    Returns:
        An iterator of tuples. What can be refused without reading is refused by this call.

    Raises:
        ValueError: If the data is endless or may be and `steps` is None, if it is of single rows,
            or of another kind; while it is read, as `check_rows`.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"`steps` must be at least 1. Received: {steps!r}.")
    source = itertools.islice(_source(data, steps is None), steps)
    return (check_rows(batch, f" in batch {number}") for number, batch in enumerate(source))


def is_rows(data: Any) -> bool:
    """Whether data is arrays in memory, and not something that gives batches."""
    kind = type(data)
    return isinstance(data, (tuple, list, Mapping, np.ndarray)) or (
        hasattr(kind, "__array__") or keras.ops.is_tensor(data)
    )


def refuse_not_finite(field: str, values: np.ndarray, first: int = 0, of: str = "rows") -> None:
    """Refuses a teacher's outputs that teach nothing but NaN.

    Args:
        field: Of the trace, which `values` are.
        values: Of shape `(rows, ...)`.
        first: The number of the first of these rows in all of the data. Default 0.
        of: What these rows are, for the message.

    Raises:
        ValueError: If a value is NaN or infinite.
    """
    axes, parts = tuple(range(1, values.ndim)), range(0, len(values), 65536)
    finite = np.concatenate([np.isfinite(values[i : i + 65536]).all(axes) for i in parts])
    if len(bad := np.flatnonzero(~finite)):
        raise ValueError(
            f"The teacher's {field} must be finite, or the student learns NaN. Received: "
            f"{len(bad)} of {len(values)} {of} with NaN or infinity; the first is row "
            f"{first + bad[0]}. Look at the teacher's inputs in this row and at its weights, or "
            "drop these rows."
        )


def endless(data: tf.data.Dataset) -> bool:
    """Whether a dataset has no end, as far as it can be known: also behind a filter."""
    size = data.cardinality()
    if size == tf.data.UNKNOWN_CARDINALITY and "TakeWhile" not in type(data).__name__:
        return any(endless(parent) for parent in data._inputs())
    return bool(size == tf.data.INFINITE_CARDINALITY)


def _source(data: Any, to_its_end: bool) -> Iterator[Any]:
    kind = type(data).__name__
    unknown = "where it ends cannot be known"
    if isinstance(data, tf.data.Dataset):
        shapes = [spec.shape for spec in tf.nest.flatten(data.element_spec)]
        lengths = {shape[0] for shape in shapes if shape.rank} - {None}
        if any(shape.rank == 0 for shape in shapes) or len(lengths) > 1:
            raise ValueError(
                "A dataset must be of batches. Received: single rows, elements of "
                f"{data.element_spec}. Batch them: dataset.batch(256)."
            )
        if to_its_end and endless(data):
            _refuse_endless("a tf.data.Dataset without end", "leave out .repeat()")
        return iter(data)
    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches is None and to_its_end:
            _refuse_endless(f"the PyDataset {kind}, {unknown}", "give it a __len__")
        count = itertools.count() if data.num_batches is None else range(data.num_batches)
        return (data[i] for i in count)
    if isinstance(data, Iterator):
        if to_its_end:
            _refuse_endless(f"a {kind}, {unknown}", "make a tf.data.Dataset or arrays of it")
        return data
    raise ValueError(
        "Data is a tuple of arrays (x, y), a tf.data.Dataset of batches, a keras.utils.PyDataset "
        f"or a generator of batches. Received: {kind}. Of another loader make a generator of "
        "tuples: with_teacher_targets(((x, y) for x, y in loader), steps=len(loader))."
    )


def _refuse_endless(received: str, remedy: str) -> None:
    raise ValueError(
        "The data is read once from its first to its last batch. Received: "
        f"{received}. Say how many batches to read: with_teacher_targets(data, steps=1000); or "
        f"{remedy}."
    )


def names_of(rows: tuple) -> list[str]:
    """What each array of the rows is called: `x['user']`, `y`.

    Args:
        rows: `(x, y, sample_weight)` or fewer, in any structure.

    Returns:
        The names, in the order of `keras.tree.flatten`.
    """

    def name(path: tuple) -> str:
        return PARTS[path[0]] + "".join(f"[{key!r}]" for key in path[1:])

    return [name(path) for path, _ in keras.tree.flatten_with_path(rows)]


def as_array(values: Any, name: str) -> Any:
    """An array of numbers or strings, whatever holds them.

    Args:
        values: An array, a tensor, a column of pandas, or None.
        name: What it is called, for the messages.

    Returns:
        An array, whose dtype is `object` for strings alone; None for None.

    Raises:
        ValueError: If an entry is missing, or something else than a number or a string, or entries
            are of several kinds.
    """
    if values is None:
        return None
    if isinstance(values, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"Rows must be arrays of one shape. Received: {name}, a {type(values).__name__}. Make "
            "it dense: values.to_tensor(shape=(None, WIDTH)), or tf.sparse.to_dense(values)."
        )
    array = np.asarray(values)
    if array.dtype.kind == "O":
        return _of_objects(array, name)
    if array.dtype.kind == "T":  # NumPy's strings of any length, which TensorFlow does not take
        return array.astype(object)
    given = getattr(getattr(values, "dtype", None), "kind", "")
    if given in ("i", "u") and array.dtype.kind == "f":  # pandas' integers, some of them missing
        _refuse_entry(name, "no value", np.flatnonzero(np.isnan(array)))
    if array.dtype.kind not in "iufbUS" and array.dtype.name != "bfloat16":
        _refuse_entry(name, f"dtype {array.dtype}", np.arange(len(array)))
    return array


def _of_objects(array: np.ndarray, name: str) -> np.ndarray:
    """An array of objects as what the objects are."""
    kinds = [type(item) for item in array.flat]
    if set(kinds) <= {str, bytes, np.str_, np.bytes_}:
        return array
    first, width = kinds[0], array.size // max(len(array), 1)
    for entry, kind in enumerate(kinds):
        if kind is not first and _family(kind) != _family(first):
            received = f"{kind.__name__} beside {first.__name__}"
            _refuse_entry(name, received, np.array([entry // width]))
    try:
        typed = np.array(array.tolist())
    except ValueError:  # lists of unequal lengths
        _refuse_entry(name, "lists of unequal lengths", np.arange(1, len(array)))
    if typed.dtype.kind not in "iufbUS":
        _refuse_entry(name, f"entries of {first.__name__}", np.arange(len(array)))
    return typed


def _family(kind: type) -> Any:
    """Numbers are of one, strings too, and of the rest each type of its own."""
    families = ((bool, int, float, np.number, np.bool_), (str, bytes))
    return next((family for family in families if issubclass(kind, family)), kind)


def _refuse_entry(name: str, received: str, rows: np.ndarray) -> None:
    raise ValueError(
        f"A column must be of numbers or of strings, one kind in all rows. Received: {name} with "
        f"{received}, such as in row {rows[0]}. Fill or drop what is missing, convert it to a "
        "number or a string, pad lists to one length; of a pandas.DataFrame with columns of "
        "several kinds give dict(frame)."
    )
