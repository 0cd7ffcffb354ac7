"""Data that carries a teacher's targets with it, in memory or in a folder."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.distill.fingerprint import hash_arrays
from tdrec.distill.given_data import batches_of, check_rows, is_rows
from tdrec.distill.method import Method
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.target_folder import structure_of, targets_in
from tdrec.distill.target_form import TargetForm
from tdrec.distill.teacher_targets import (
    TeacherTargets,
    WithTargets,
    ahead,
    as_tensors,
    attach,
    batches,
    check_trace,
    in_memory,
    refuse_in_batch,
    teacher_key,
    trace_of,
)
from tdrec.distill.trace_names import flat, nested
from tdrec.distill.trusted_targets import trust_of, trusted

Source = ModelSplit | Callable[[Any], Trace] | None
"""A teacher, or a function of the inputs that returns their targets; None where none are read."""


def with_targets(
    data: Any,
    source: Source,
    method: Method,
    *,
    form: TargetForm,
    steps: int | None,
    cache: TeacherTargets | None,
    folder: str | os.PathLike[str] | None,
    batch_size: int | None,
    buffer_rows: int | None,
    **how: Any,
) -> tf.data.Dataset:
    """What `Distiller.with_teacher_targets` does, whose arguments these are.

    Args:
        data: Arrays, or what gives batches, as of `batches_of`.
        source: Of the targets.
        method: That reads the targets.
        form: How they are kept in the folder.
        steps: How many batches to read, at most; None for all.
        cache: Where to look targets up; None for nowhere.
        folder: Where to keep rows and targets; None for memory.
        batch_size: Rows a batch. None: as the data has them, 256 for arrays.
        buffer_rows: Rows from the folder that are mixed at a time; None for 256 MiB of them.
        **how: `shuffle`, `seed` and `drop_remainder` of `batches`.

    Returns:
        Batches for `fit`.
    """
    form.check_method(method)
    if folder is not None:
        if trust_of(method):
            raise ValueError(
                "How far a teacher is to be trusted is found out of all rows, in memory. Received: "
                "`folder` and a method with `trust`. Leave one of them out."
            )
        if cache is not None:
            raise ValueError(
                "Targets are kept in a folder or in a cache. Received: both. Leave out `cache`: "
                "a folder is used again."
            )
        how["buffer_rows"] = buffer_rows
        return _in_folder(folder, data, steps, source, method, form, batch_size, how)
    if form != TargetForm():
        raise ValueError(
            "`dtype` and `top_k` say how targets are kept in a folder. Received: "
            f"{form} and no folder. Name one: folder='targets'."
        )
    (x, *rest), found = in_memory(data, steps)
    x = attached(x, rest, source, method, cache)
    return batches((x, *rest), batch_size or found, resumable=True, **how)


def attached(
    x: Any, rest: Sequence[Any], source: Source, method: Method, cache: TeacherTargets | None = None
) -> Any:
    """The inputs of all rows with their targets, as a method takes them.

    Args:
        x: The inputs.
        rest: The rows' labels, and maybe weights.
        source: Of the targets.
        method: That reads them.
        cache: Where to look targets up. Default None: nowhere.
    """
    fields = method.teacher_fields
    if not fields or source is None:
        return x
    if isinstance(source, ModelSplit):
        trace = as_tensors((cache or TeacherTargets())(source, x, fields))
    else:
        trace = source(x)
        check_trace(method.reads(trace), len(keras.tree.flatten(x)[0]))
    return attach(x, trusted(method, method.reads(trace), x, rest), fields)


def _in_folder(
    folder: str | os.PathLike[str],
    data: Any,
    steps: int | None,
    source: Source,
    method: Method,
    form: TargetForm,
    batch_size: int | None,
    how: dict[str, Any],
) -> tf.data.Dataset:
    fields = method.teacher_fields

    def trace(x: Any) -> dict[str, np.ndarray]:
        if not fields or source is None:
            return {}
        if isinstance(source, ModelSplit):
            found = Trace(**{**dict.fromkeys(Trace._fields), **trace_of(source, x, fields)})
        else:
            found = source(x)
            check_trace(found, len(keras.tree.flatten(x)[0]))
        read = flat(method.reads(found))
        return {name: np.asarray(array, "float32") for name, array in read.items()}

    batches = iter(_slices(check_rows(data)) if is_rows(data) else batches_of(data, steps))
    first = next(batches, None)
    if first is None:
        raise ValueError("The data must have at least one batch. Received: an empty dataset.")
    few = keras.tree.map_structure(lambda a: a[:8], first[0])
    outputs = trace(few)
    if isinstance(source, ModelSplit):
        refuse_in_batch(source, few, fields)
        teacher = teacher_key(source, few)
    else:
        teacher = hash_arrays(outputs.values())
    names = tuple(outputs)
    every = itertools.chain([first], batches)
    kept = targets_in(folder, every, structure_of(first), teacher, trace, names, form)
    size = batch_size or (256 if is_rows(data) else len(keras.tree.flatten(first)[0]))
    dataset = kept.dataset(size, names, **how)
    if fields:
        dataset = dataset.map(
            lambda rows, targets: (WithTargets(rows[0], nested(targets)), *rows[1:])
        )
    else:
        dataset = dataset.map(lambda rows, _: rows)
    return ahead(dataset)


def _slices(rows: tuple, size: int = 1024) -> Iterator[tuple]:
    for start in range(0, len(keras.tree.flatten(rows)[0]), size):
        yield keras.tree.map_structure(
            lambda a, start=start: None if a is None else a[start : start + size], rows
        )
