"""Rows and their teacher's targets in a folder of Parquet files, for data larger than memory."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tdrec.distill.fingerprint import hash_arrays
from tdrec.distill.given_data import batches_of, check_rows, is_rows, names_of, refuse_not_finite
from tdrec.distill.method import Method
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.row_order import RowOrder
from tdrec.distill.target_form import TargetForm
from tdrec.distill.teacher_targets import WithTargets, ahead, check_trace, teacher_key, trace_of
from tdrec.runtime.files import replace_file
from tdrec.runtime.parquet import pyarrow_for

Columns = dict[str, np.ndarray]

MANIFEST = "manifest.json"
SHARD_ROWS = 8192
TARGET = "target."
"""How the names of the targets' columns begin."""


@dataclass
class Manifest:
    """What is in a folder; it is written last, so that a folder with one is whole.

    Attributes:
        teacher: Which one it was, and what it made of the first rows.
        fields: Of its trace, that are kept.
        form: How they are kept, a `TargetForm` as a dictionary.
        columns: Shape of an entry and dtype of each column by name.
        classes: The last axis of the prediction where the largest of it are kept, or 0.
        data: A hash of all inputs, labels and weights.
        rows: How many there are.
        shards: Rows and bytes of each file by name.
    """

    teacher: str
    fields: list[str]
    form: dict[str, Any]
    columns: dict[str, list[Any]] = field(default_factory=dict)
    classes: int = 0
    data: str = ""
    rows: int = 0
    shards: dict[str, list[int]] = field(default_factory=dict)


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
        buffer_rows: int,
    ) -> tf.data.Dataset:
        """Batches that are read from the files as they are needed.

        Args:
            batch_size: Rows a batch.
            fields: Of the teacher's trace.
            shuffle: Whether each pass has an order of its own: the files are read in another order,
                and of as many of them as hold `buffer_rows` the rows are mixed.
            seed: Makes the orders repeatable.
            drop_remainder: Whether to leave out a last batch that is not full.
            buffer_rows: Rows that are mixed at a time, about twice as many are in memory.

        Returns:
            A dataset of `(rows, targets)`: the rows as they came, the fields by name.
        """
        form, rows = TargetForm(**self.manifest.form), self.manifest.rows
        kept = {TARGET + name for name in fields}
        inputs = [name for name in keras.tree.flatten(self.structure) if name is not None]
        targets = [n for n in self.manifest.columns if kept & {n, n.rpartition(".")[0]}]
        names = [*inputs, *targets]
        size = batch_size if drop_remainder else None
        signature = tuple(
            tf.TensorSpec((size, *shape), tf.string if dtype == "binary" else dtype)
            for shape, dtype in (self.manifest.columns[name] for name in names)
        )
        steps = rows // batch_size if drop_remainder else -(-rows // batch_size)
        order = RowOrder(steps, seed) if shuffle else None

        def of_pass(number: Any = 0) -> Iterator[tuple]:
            rng = None if order is None else np.random.default_rng([order.seed, int(number)])
            batches = self._batches(names, batch_size, buffer_rows, rng)
            return (tuple(b.values()) for b in batches if size in (None, len(b[names[0]])))

        def structured(*values: Any) -> Any:
            columns = dict(zip(names, values, strict=True))
            packed = {name.removeprefix(TARGET): columns[name] for name in targets}
            flat = iter([columns[name] for name in inputs])
            made = keras.tree.map_structure(
                lambda name: None if name is None else next(flat), self.structure
            )
            return made, form.unpack(packed, self.manifest.classes)

        if order is None:
            one = tf.data.Dataset.from_generator(of_pass, output_signature=signature)
            return one.apply(tf.data.experimental.assert_cardinality(steps)).map(structured)
        dataset = order.dataset(
            lambda number: tf.data.Dataset.from_generator(
                of_pass, output_signature=signature, args=(number,)
            )
        )
        return order.mark(dataset.map(structured))

    def _batches(
        self, names: Sequence[str], size: int, buffer_rows: int, rng: np.random.Generator | None
    ) -> Iterator[Columns]:
        shards = list(self.manifest.shards)
        if rng is not None:
            shards = [shards[i] for i in rng.permutation(len(shards))]
        largest = max(rows for rows, _ in self.manifest.shards.values())
        at_once = max(1, buffer_rows // largest) if rng is not None else 1
        rest: list[Columns] = []
        for start in range(0, len(shards), at_once):
            parts = rest + [self._read(s, names) for s in shards[start : start + at_once]]
            window = _joined(parts)
            count = len(window[names[0]])
            order = np.arange(count) if rng is None else rng.permutation(count)
            whole = count // size * size
            for i in range(0, whole, size):
                yield {name: values[order[i : i + size]] for name, values in window.items()}
            left = order[whole:]
            rest = [{name: values[left] for name, values in window.items()}] if len(left) else []
        yield from rest

    def _read(self, shard: str, names: Sequence[str]) -> Columns:
        pa = pyarrow_for("Targets in a folder")
        table = pa.parquet.read_table(self.path / shard, columns=list(names), use_threads=False)
        columns = {}
        for name in names:
            shape, _ = self.manifest.columns[name]
            array = table.column(name).combine_chunks()
            for _ in shape:
                array = array.flatten()
            columns[name] = array.to_numpy(zero_copy_only=False).reshape(len(table), *shape)
        return columns


def in_folder(
    path: str | os.PathLike[str],
    data: Any,
    steps: int | None,
    teacher: ModelSplit | Callable[[Any], Trace] | None,
    method: Method,
    *,
    form: TargetForm,
    batch_size: int | None,
    **how: Any,
) -> tf.data.Dataset:
    """Data with a teacher's targets, both read from a folder: written now or before.

    Args:
        path: The folder, as of `targets_in`.
        data: Arrays, or what gives batches, as of `batches_of`.
        steps: How many batches to read, at most; None for all.
        teacher: A split, a function of the inputs that returns their targets, or None where the
            method reads none.
        method: That reads the targets.
        form: How they are kept.
        batch_size: Rows a batch. None: as the data has them, 256 for arrays.
        **how: The other arguments of `TargetFolder.dataset`.

    Returns:
        Batches for `fit`.
    """
    fields = method.teacher_fields

    def trace(x: Any) -> dict[str, np.ndarray]:
        if not fields or teacher is None:
            return {}
        if isinstance(teacher, ModelSplit):
            found = Trace(**{**dict.fromkeys(Trace._fields), **trace_of(teacher, x, fields)})
        else:
            found = teacher(x)
            check_trace(found, len(keras.tree.flatten(x)[0]))
        read = method.reads(found)._asdict()
        return {name: np.asarray(read[name], "float32") for name in fields}

    def key(x: Any) -> str:
        if isinstance(teacher, ModelSplit):
            return teacher_key(teacher, x)
        return hash_arrays(trace(keras.tree.map_structure(lambda a: a[:8], x)).values())

    sizes: list[int] = []

    def read() -> Iterator[tuple]:
        for rows in _slices(check_rows(data)) if is_rows(data) else batches_of(data, steps):
            sizes.append(len(keras.tree.flatten(rows)[0]))
            yield rows

    kept = targets_in(path, read(), key, trace, fields, form)
    size = batch_size or (256 if is_rows(data) else sizes[0])
    dataset = kept.dataset(size, fields, **how)
    if fields:
        dataset = dataset.map(lambda rows, targets: (WithTargets(rows[0], targets), *rows[1:]))
    else:
        dataset = dataset.map(lambda rows, _: rows)
    return ahead(dataset)


def _slices(rows: tuple, size: int = 1024) -> Iterator[tuple]:
    for start in range(0, len(keras.tree.flatten(rows)[0]), size):
        yield keras.tree.map_structure(
            lambda a, start=start: None if a is None else a[start : start + size], rows
        )


def targets_in(
    path: str | os.PathLike[str],
    batches: Iterable[tuple],
    key: Callable[[Any], str],
    trace: Callable[[Any], Mapping[str, np.ndarray]],
    fields: Sequence[str],
    form: TargetForm,
) -> TargetFolder:
    """The targets of some data in a folder: written there, or found if they are the same.

    A folder is used again for the same teacher, form and rows in the same order, which is known by
    reading the data once, without running the teacher on more than the first batch. Nothing that is
    in a folder is ever replaced.

    Args:
        path: A folder that does not exist, or is empty, or has these targets.
        batches: Of rows, as of `batches_of`.
        key: Which teacher this is, by a batch of its inputs.
        trace: The teacher's outputs of a batch of inputs, fields by name.
        fields: What to keep of its trace.
        form: How to keep it.

    Returns:
        The folder.

    Raises:
        ValueError: If the folder holds something else, or was cut while it was written or copied;
            if a target is not finite, or batches are not alike.
        ImportError: If pyarrow is missing.
    """
    pyarrow_for("Targets in a folder")
    folder = Path(path).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return _found(folder, batches, key, trace, fields, form)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _written(folder, batches, key, trace, fields, form)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _written(
    folder: Path,
    batches: Iterable[tuple],
    key: Callable[[Any], str],
    trace: Callable[[Any], Mapping[str, np.ndarray]],
    fields: Sequence[str],
    form: TargetForm,
) -> TargetFolder:
    manifest = Manifest("", list(fields), asdict(form))
    data, waiting = _DataHash(), _Waiting(folder, manifest)
    structure: tuple | None = None
    for number, rows in enumerate(batches):
        outputs = trace(rows[0])
        for name, values in outputs.items():
            refuse_not_finite(name, values, waiting.rows, f"rows of batch {number}")
        if structure is None:
            structure, manifest.teacher = _structure_of(rows), key(rows[0])
            manifest.classes = outputs["prediction"].shape[-1] if form.top_k else 0
        columns = data.add(rows)
        packed = {TARGET + name: values for name, values in form.pack(outputs).items()}
        waiting.add({**columns, **packed}, number)
    if structure is None:
        raise ValueError("The data must have at least one batch. Received: an empty dataset.")
    waiting.write()
    manifest.rows, manifest.data = waiting.rows, data.hexdigest()
    replace_file(folder / MANIFEST, json.dumps(asdict(manifest), indent=1))
    return TargetFolder(folder, manifest, structure)


def _found(
    folder: Path,
    batches: Iterable[tuple],
    key: Callable[[Any], str],
    trace: Callable[[Any], Mapping[str, np.ndarray]],
    fields: Sequence[str],
    form: TargetForm,
) -> TargetFolder:
    manifest, data = _manifest_of(folder), _DataHash()
    structure: tuple | None = None
    for rows in batches:
        if structure is None:
            structure = _structure_of(rows)
            asked = {"teacher": key(rows[0]), "form": asdict(form)}
            kept = {"teacher": manifest.teacher, "form": manifest.form}
            if missing := [name for name in fields if name not in manifest.fields]:
                asked["fields"], kept["fields"] = missing, manifest.fields
            if asked != kept:
                others = " and ".join(key for key in asked if asked[key] != kept.get(key))
                _refuse(folder, f"targets of another {others}")
        data.add(rows)
    if data.hexdigest() != manifest.data:
        _refuse(folder, "targets of other rows, or of these rows in another order")
    return TargetFolder(folder, manifest, structure)


def _manifest_of(folder: Path) -> Manifest:
    """What is in a folder, if it is whole."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        _refuse(folder, f"files without a {MANIFEST}: another's, or a writing that was cut")
    except (OSError, ValueError, TypeError) as error:
        _refuse(folder, f"a {MANIFEST} that cannot be read ({error})")
    for name, (_, size) in manifest.shards.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size:
            _refuse(folder, f"no whole {name}, which its {MANIFEST} lists")
    return manifest


def _refuse(folder: Path, received: str) -> None:
    raise ValueError(
        "A folder for targets must be new or empty, or hold those of the same teacher and the same "
        f"rows. Received: {str(folder)!r}, in which there are {received}. Name another folder, or "
        "delete this one. (Shuffle by with_teacher_targets(shuffle=True): rows that are shuffled "
        "before come in another order each time.)"
    )


class _DataHash:
    """A hash of rows, whatever batches they come in."""

    def __init__(self) -> None:
        self._digests: dict[str, Any] = {}

    def add(self, rows: tuple) -> Columns:
        """Takes in a batch, and returns its columns by name."""
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
        parts = "".join(digest.hexdigest() for _, digest in sorted(self._digests.items()))
        return hashlib.sha256(parts.encode()).hexdigest()


class _Waiting:
    """Rows that wait until they fill a file."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.rows = 0
        self._folder = folder
        self._manifest = manifest
        self._parts: list[Columns] = []
        self._written = 0

    def add(self, columns: Columns, batch: int) -> None:
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
        self._parts.append(columns)
        self.rows += len(next(iter(columns.values())))
        if self.rows - self._written >= SHARD_ROWS:
            self.write(whole=True)

    def write(self, whole: bool = False) -> None:
        """Writes what waits, or what fills whole files."""
        pa = pyarrow_for("Targets in a folder")
        columns, count = _joined(self._parts), self.rows - self._written
        end = count // SHARD_ROWS * SHARD_ROWS if whole else count
        for start in range(0, end, SHARD_ROWS):
            part = {n: v[start : min(start + SHARD_ROWS, end)] for n, v in columns.items()}
            table = pa.table({name: _to_arrow(pa, values) for name, values in part.items()})
            path = self._folder / f"part-{len(self._manifest.shards):06d}.parquet"
            with open(path, "wb") as file:
                pa.parquet.write_table(table, file)
                file.flush()
                os.fsync(file.fileno())
            self._manifest.shards[path.name] = [len(table), path.stat().st_size]
        self._parts = [{n: v[end:].copy() for n, v in columns.items()}]
        self._written += end


def _structure_of(rows: tuple) -> tuple:
    """The structure of rows, with the names of columns in the places of arrays."""
    names = iter(names_of(rows))

    def name_of(array: Any) -> str | None:
        name = next(names)
        return None if array is None else name

    return keras.tree.map_structure(name_of, rows)


def _storable(array: np.ndarray) -> np.ndarray:
    """Strings as an array of bytes objects, the rest as it is."""
    if array.dtype.kind not in "OUS":
        return array
    encoded = [s if isinstance(s, bytes) else s.encode() for s in array.flat]
    return np.array([*encoded, None], object)[:-1].reshape(array.shape)


def _to_arrow(pa: Any, values: np.ndarray) -> Any:
    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for size in values.shape[:0:-1]:
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def _joined(parts: Sequence[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
