"""The files of a folder of targets: shards in Parquet, and a manifest that says what they are."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tdrec.distill.given_data import names_of

Columns = dict[str, np.ndarray]

MANIFEST = "manifest.json"
SHARD_ROWS, SHARD_BYTES = 8192, 2**25


@dataclass
class Manifest:
    """What is in a folder; it is written last, so that a folder with one is whole.

    Attributes:
        teacher: Which one it was, and what it made of the first rows.
        fields: Of its trace, that are kept, by name as of `trace_names.flat`.
        form: How they are kept, a `TargetForm` as a dictionary.
        columns: Shape of an entry and dtype of each column by name.
        classes: The last axis of each prediction of which the largest are kept, by name.
        data: A hash of all inputs, labels and weights.
        rows: How many there are.
        row_bytes: What one takes in memory, strings not counted.
        shards: Rows and bytes of each file by name.
    """

    teacher: str
    fields: list[str]
    form: dict[str, Any]
    columns: dict[str, list[Any]] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    data: str = ""
    rows: int = 0
    row_bytes: int = 1
    shards: dict[str, list[int]] = field(default_factory=dict)


def read_manifest(folder: Path) -> Manifest:
    """What is in a folder.

    Args:
        folder: That is not empty.

    Raises:
        ValueError: If it is not whole.
    """
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        refuse(folder, f"files without a {MANIFEST}: another's, or a writing that was cut")
    except (OSError, ValueError, TypeError) as error:
        refuse(folder, f"a {MANIFEST} that cannot be read ({error})")
    for name, (_, size) in manifest.shards.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            refuse(folder, f"no whole {name}, which its {MANIFEST} lists")
    return manifest


def refuse(folder: Path, received: str) -> NoReturn:
    """Refuses a folder.

    Args:
        folder: The folder.
        received: What is in it.
    """
    raise ValueError(
        "A folder for targets must be new or empty, or hold those of the same teacher and the same "
        f"rows. Received: {str(folder)!r}, in which there are {received}. Name another folder, or "
        "delete this one. (Shuffle by with_teacher_targets(shuffle=True): rows that are shuffled "
        "before come in another order each time.)"
    )


def read_shard(path: Path, shapes: dict[str, Sequence[int]]) -> Columns:
    """Columns of a file.

    Args:
        path: The file.
        shapes: Of an entry of each column that is read.

    Returns:
        Arrays of shape `(rows, ...)`.
    """
    table = pq.read_table(path, columns=list(shapes), use_threads=False)
    columns = {}
    for name, shape in shapes.items():
        array = table.column(name).combine_chunks()
        for _ in shape:
            array = array.flatten()
        columns[name] = array.to_numpy(zero_copy_only=False).reshape(len(table), *shape)
    return columns


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns one after the other.

    Args:
        parts: Of the same names.
    """
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class DataHash:
    """A hash of rows, whatever batches they come in."""

    def __init__(self) -> None:
        self._digests: dict[str, Any] = {}

    def add(self, rows: tuple) -> Columns:
        """Takes in a batch.

        Args:
            rows: Of arrays.

        Returns:
            Its columns by name, as they are stored.
        """
        columns = dict(zip(names_of(rows), keras.tree.flatten(rows), strict=True))
        columns = {n: _storable(a) for n, a in columns.items() if a is not None}
        for name, array in columns.items():
            start = f"{name}{array.dtype}{array.shape[1:]}".encode()
            digest = self._digests.setdefault(name, hashlib.sha256(start))
            if array.dtype == object:
                for item in array.flat:
                    digest.update(len(item).to_bytes(8, "little") + item)
            else:
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return columns

    def hexdigest(self) -> str:
        """The hash of all batches."""
        parts = "".join(digest.hexdigest() for _, digest in sorted(self._digests.items()))
        return hashlib.sha256(parts.encode()).hexdigest()


class ShardWriter:
    """Writes files of equally many rows, whatever batches they come in.

    Args:
        folder: Where to.
        manifest: That is told what was written.

    Attributes:
        rows: How many have come.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.rows = 0
        self._folder = folder
        self._manifest = manifest
        self._parts: list[Columns] = []
        self._written = 0
        self._shard_rows = SHARD_ROWS

    def add(self, columns: Columns, batch: int) -> None:
        """Takes in a batch.

        Args:
            columns: Arrays by name.
            batch: Its number, for messages.

        Raises:
            ValueError: If it is not like the first.
        """
        kinds = {
            name: [list(v.shape[1:]), "binary" if v.dtype == object else v.dtype.name]
            for name, v in columns.items()
        }
        known = self._manifest.columns = self._manifest.columns or kinds
        if others := [name for name in {**known, **kinds} if known.get(name) != kinds.get(name)]:
            name = others[0]
            raise ValueError(
                "Batches must be alike in names, shapes and dtypes. Received: "
                f"{name} with {kinds.get(name, 'nothing')} in batch {batch}, and with "
                f"{known.get(name, 'nothing')} before. Pad to one length, and convert to one dtype."
            )
        if not self.rows:
            size = sum(values[:1].nbytes for values in columns.values())
            self._manifest.row_bytes = max(1, size)
            self._shard_rows = max(1, min(SHARD_ROWS, SHARD_BYTES // self._manifest.row_bytes))
        self._parts.append(columns)
        self.rows += len(next(iter(columns.values())))
        if self.rows - self._written >= self._shard_rows:
            self.write(whole=True)

    def write(self, whole: bool = False) -> None:
        """Writes what waits.

        Args:
            whole: Whether only to write full files. Default False.
        """
        columns, count = joined(self._parts), self.rows - self._written
        each = self._shard_rows
        end = count // each * each if whole else count
        for start in range(0, end, each):
            part = {n: v[start : min(start + each, end)] for n, v in columns.items()}
            table = pa.table({name: _to_arrow(values) for name, values in part.items()})
            path = self._folder / f"part-{len(self._manifest.shards):06d}.parquet"
            with open(path, "wb") as file:
                # Dictionaries of floats that are all different cost most of the time.
                texts = [name for name, values in part.items() if values.dtype == object]
                pq.write_table(table, file, use_dictionary=texts, compression="lz4")
                file.flush()
                os.fsync(file.fileno())
            self._manifest.shards[path.name] = [len(table), path.stat().st_size]
        self._parts = [{n: v[end:].copy() for n, v in columns.items()}]
        self._written += end


def _storable(array: np.ndarray) -> np.ndarray:
    """Strings as an array of bytes objects, the rest as it is."""
    if array.dtype.kind not in "OUS":
        return array
    encoded = [s if isinstance(s, bytes) else s.encode() for s in array.flat]
    return np.array([*encoded, None], object)[:-1].reshape(array.shape)


def _to_arrow(values: np.ndarray) -> Any:
    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in values.shape[:0:-1]:
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array
