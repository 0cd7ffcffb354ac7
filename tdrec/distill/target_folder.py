"""Rows and their teacher's targets in a folder of Parquet files, for data larger than memory."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.distill.given_data import names_of, refuse_not_finite
from tdrec.distill.row_order import RowOrder
from tdrec.distill.target_files import (
    MANIFEST,
    DataHash,
    Manifest,
    ShardWriter,
    joined,
    read_manifest,
    read_shard,
    refuse,
)
from tdrec.distill.target_form import TargetForm
from tdrec.runtime.files import replace_file, user_path

TARGET = "target."
"""How the names of the targets' columns begin."""
BUFFER_BYTES = 2**28


class TargetFolder:
    """A folder that was written, or that is used again.

    Args:
        path: Of the folder.
        manifest: What is in it.
        structure: Of the rows, with the names of columns in the places of arrays.
    """

    def __init__(self, path: Path, manifest: Manifest, structure: Any) -> None:
        self.path = path
        self.manifest = manifest
        self.structure = structure

    def dataset(
        self,
        batch_size: int,
        fields: Sequence[str],
        *,
        shuffle: bool,
        seed: int | None,
        drop_remainder: bool,
        buffer_rows: int | None,
    ) -> tf.data.Dataset:
        """Batches that are read from the files as they are needed.

        Args:
            batch_size: Rows a batch.
            fields: Of the teacher's trace, by name.
            shuffle: Whether each pass has an order of its own: the files are read in another order,
                and of as many of them as hold `buffer_rows` the rows are mixed.
            seed: Makes the orders repeatable.
            drop_remainder: Whether to leave out a last batch that is not full.
            buffer_rows: Rows that are mixed at a time, about twice as many are in memory. None: as
                many as take 256 MiB.

        Returns:
            A dataset of `(rows, targets)`: the rows as they came, the fields by name.
        """
        form, rows = TargetForm(**self.manifest.form), self.manifest.rows
        kept = {TARGET + name for name in fields}
        inputs = [name for name in keras.tree.flatten(self.structure) if name is not None]
        targets = [n for n in self.manifest.columns if kept & {n, n.rpartition(".")[0]}]
        names = [*inputs, *targets]
        signature = tuple(
            tf.TensorSpec((None, *shape), tf.string if dtype == "binary" else dtype)
            for shape, dtype in (self.manifest.columns[name] for name in names)
        )
        steps = rows // batch_size if drop_remainder else -(-rows // batch_size)
        order = RowOrder(steps, seed) if shuffle else None

        def parts(number: Any) -> Iterator[tuple]:
            rng = None if order is None else np.random.default_rng([order.seed, int(number)])
            return self._parts(names, buffer_rows, rng)

        def of_pass(number: Any) -> tf.data.Dataset:
            dataset = tf.data.Dataset.from_generator(
                parts, output_signature=signature, args=(number,)
            )
            return dataset.rebatch(batch_size, drop_remainder)

        def structured(*values: Any) -> Any:
            columns = dict(zip(names, values, strict=True))
            packed = {name.removeprefix(TARGET): columns[name] for name in targets}
            flat = iter([columns[name] for name in inputs])
            made = keras.tree.map_structure(
                lambda name: None if name is None else next(flat), self.structure
            )
            return made, form.unpack(packed, self.manifest.classes)

        if order is not None:
            return order.mark(order.dataset(of_pass).map(structured))
        dataset = of_pass(0).apply(tf.data.experimental.assert_cardinality(steps))
        return dataset.map(structured)

    def _parts(
        self, names: Sequence[str], buffer_rows: int | None, rng: np.random.Generator | None
    ) -> Iterator[tuple]:
        """All rows in their order, many at a time: what Python hands over costs by the piece."""
        shards = list(self.manifest.shards)
        if rng is not None:
            shards = [shards[i] for i in rng.permutation(len(shards))]
        shapes = {name: self.manifest.columns[name][0] for name in names}
        shard_rows = next(rows for rows, _ in self.manifest.shards.values())
        buffer_rows = buffer_rows or BUFFER_BYTES // self.manifest.row_bytes
        at_once = 1 if rng is None else max(1, buffer_rows // shard_rows)
        piece = max(1, shard_rows // 4)
        for start in range(0, len(shards), at_once):
            read = [read_shard(self.path / s, shapes) for s in shards[start : start + at_once]]
            mixed = joined(read)
            count = len(mixed[names[0]])
            rows = np.arange(count) if rng is None else rng.permutation(count)
            for i in range(0, count, piece):
                yield tuple(values[rows[i : i + piece]] for values in mixed.values())


def targets_in(
    path: str | os.PathLike[str],
    batches: Iterable[tuple],
    structure: tuple,
    teacher: str,
    trace: Callable[[Any], Mapping[str, np.ndarray]],
    fields: Sequence[str],
    form: TargetForm,
) -> TargetFolder:
    """The targets of some data in a folder: written there, or found if they are the same.

    A folder is used again for the same teacher, form and rows in the same order, which is known by
    reading the data once, without the teacher. Nothing that is in a folder is ever replaced.

    Args:
        path: A folder that does not exist, or is empty, or has these targets.
        batches: Of rows, as of `batches_of`.
        structure: Of the rows, as of `structure_of`.
        teacher: Which one this is.
        trace: The teacher's outputs of a batch of inputs, fields by name.
        fields: What to keep of its trace, by name as of `trace_names.flat`.
        form: How to keep it.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something else, or was cut while it was written or copied;
            if a target is not finite, or batches are not alike.
    """
    folder = user_path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _found(folder, batches, structure, teacher, fields, form)
    folder.mkdir(parents=True, exist_ok=True)  # empty if it is there
    try:
        return _written(folder, batches, structure, teacher, trace, fields, form)
    except BaseException:
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        raise


def _written(
    folder: Path,
    batches: Iterable[tuple],
    structure: tuple,
    teacher: str,
    trace: Callable[[Any], Mapping[str, np.ndarray]],
    fields: Sequence[str],
    form: TargetForm,
) -> TargetFolder:
    manifest = Manifest(teacher, list(fields), asdict(form))
    data, waiting = DataHash(), ShardWriter(folder, manifest)
    for number, rows in enumerate(batches):
        outputs = trace(rows[0])
        for name, values in outputs.items():
            refuse_not_finite(name, values, waiting.rows, f"rows of batch {number}")
        if form.top_k:
            manifest.classes = {name: values.shape[-1] for name, values in outputs.items()}
        columns = data.add(rows)
        packed = {TARGET + name: values for name, values in form.pack(outputs).items()}
        waiting.add({**columns, **packed}, number)
    waiting.write()
    manifest.rows, manifest.data = waiting.rows, data.hexdigest()
    replace_file(folder / MANIFEST, json.dumps(asdict(manifest), indent=1))
    return TargetFolder(folder, manifest, structure)


def _found(
    folder: Path,
    batches: Iterable[tuple],
    structure: tuple,
    teacher: str,
    fields: Sequence[str],
    form: TargetForm,
) -> TargetFolder:
    manifest, data = read_manifest(folder), DataHash()
    asked = {"teacher": teacher, "form": asdict(form)}
    kept = {"teacher": manifest.teacher, "form": manifest.form}
    if missing := [name for name in fields if name not in manifest.fields]:
        asked["fields"], kept["fields"] = missing, manifest.fields
    if others := [key for key in asked if asked[key] != kept[key]]:
        refuse(folder, f"targets of another {' and '.join(others)}")
    for rows in batches:
        data.add(rows)
    if data.hexdigest() != manifest.data:
        refuse(folder, "targets of other rows, or of these rows in another order")
    return TargetFolder(folder, manifest, structure)


def structure_of(rows: tuple) -> tuple:
    """The structure of rows, with the names of columns in the places of arrays.

    Args:
        rows: `(x, y, sample_weight)` or fewer, of arrays.
    """
    names = iter(names_of(rows))

    def name_of(array: Any) -> str | None:
        name = next(names)
        return None if array is None else name

    return keras.tree.map_structure(name_of, rows)
