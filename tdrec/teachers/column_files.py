"""Columns of a Parquet or TFRecord file as NumPy arrays, and back.

Both kinds of file hold the same thing: named columns of one entry a row, an integer, a number, a
string, or a list that is equally long in each row. Which kind it is, the file's suffix says.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tdrec.runtime.files import replacing

Columns = dict[str, np.ndarray]
PathLike = str | os.PathLike[str]

_RECORDS_A_BATCH = 4096


def read_columns(path: PathLike, names: Sequence[str]) -> Columns:
    """Reads columns of a file, or of all files of one kind in a folder, ordered by their names.

    Args:
        path: A `.parquet` or `.tfrecord` file, or a folder of them.
        names: The columns to read.

    Returns:
        Arrays by name: of shape `(rows,)`, or `(rows, n)` for lists of n. Parquet may nest lists:
        `(rows, m, n)`. Strings are `str` in Parquet and `bytes` in TFRecord files.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind, or damaged, or lacks a column, or a column has empty
            entries or lists of unequal lengths.
        ImportError: If the file is in Parquet and pyarrow is missing.

    Example:
        >>> write_columns("scores.parquet", {"user": np.arange(2), "score": np.array([4.5, 2.5])})
        >>> read_columns("scores.parquet", ["score"])
        {'score': array([4.5, 2.5])}
    """
    files = _files(Path(path))
    if files[0].suffix == ".parquet":
        parts = [_read_parquet(file, names) for file in files]
    else:
        parts = [_read_tfrecord(file, names) for file in files]
    columns = {}
    for name in names:
        arrays = [part[name] for part in parts]
        if len(shapes := {array.shape[1:] for array in arrays}) > 1:
            raise ValueError(
                f"The lists of the column {name!r} must be equally long in every file. Received: "
                f"shapes {sorted(shapes)} in {str(path)!r}. Write the files anew."
            )
        columns[name] = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return columns


def write_columns(path: PathLike, columns: Mapping[str, np.ndarray]) -> None:
    """Writes columns to a file, which is there once it is complete.

    Args:
        path: A file ending in `.parquet` or `.tfrecord`.
        columns: Integers, floats or strings by name, of shape `(rows,)` or `(rows, n)`, and in
            Parquet also of more axes, nested lists of fixed sizes.

    Raises:
        ValueError: If the suffix is another one, or the file cannot hold an array of that shape.
        ImportError: If the file is to be in Parquet and pyarrow is missing.

    Example:
        >>> write_columns("scores.tfrecord", {"user": np.arange(2), "score": np.array([4.5, 2.5])})
    """
    path = Path(path)
    write = {".parquet": _write_parquet, ".tfrecord": _write_tfrecord}[_checked_suffix(path)]
    with replacing(path) as temporary:
        write(temporary, columns)


def _checked_suffix(path: Path) -> str:
    if path.suffix not in (".parquet", ".tfrecord"):
        raise ValueError(
            f"A table is a file ending in .parquet or .tfrecord. Received: {str(path)!r}. Rename "
            "the file, or convert it to one of the two."
        )
    return path.suffix


def _files(path: Path) -> list[Path]:
    """The file, or the files of a folder."""
    if not path.exists():
        raise FileNotFoundError(
            f"A table is read from a file. Received: {str(path)!r}, where there is nothing. Give "
            "a .parquet or .tfrecord file, or a folder of them."
        )
    if not path.is_dir():
        _checked_suffix(path)
        return [path]
    inside = (p for p in path.iterdir() if not p.name.startswith((".", "_")))
    files = sorted(p for p in inside if p.suffix in (".parquet", ".tfrecord"))
    if len(kinds := {file.suffix for file in files}) != 1:
        raise ValueError(
            "A folder must hold .parquet files or .tfrecord files. Received: "
            f"{'both' if kinds else 'neither'} in {str(path)!r}. Name a file, or another folder."
        )
    return files


def _refuse_unknown(file: Path, names: Sequence[str], present: Sequence[str]) -> None:
    if missing := [name for name in names if name not in present]:
        raise ValueError(
            f"{str(file)!r} must have the columns that are asked for. Received: no "
            f"{', '.join(map(repr, missing))}; its columns are: {', '.join(map(repr, present))}."
        )


def _refuse_unequal(file: Path, name: str, lengths: np.ndarray) -> None:
    """Refuses a column of lists unless each is as long as the first."""
    if len(other := np.flatnonzero(lengths != lengths[:1])):
        raise ValueError(
            f"The lists of the column {name!r} in {str(file)!r} must be equally long. Received: "
            f"{len(other)} of {len(lengths)} that differ from the first, of {lengths[0]}; the "
            f"first of them is row {other[0]}, of {lengths[other[0]]}. Mend these rows or drop "
            "them."
        )


# Parquet


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need pyarrow, which is missing. Install it: pip install pyarrow"
        ) from error
    return pyarrow


def _read_parquet(file: Path, names: Sequence[str]) -> Columns:
    pa = _pyarrow()
    try:
        with pa.parquet.ParquetFile(file) as stored:
            _refuse_unknown(file, names, stored.schema_arrow.names)
            table = stored.read(columns=list(names))
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"A .parquet file must be whole. Received: {str(file)!r}, which cannot be read: "
            f"{error}. Write it anew."
        ) from error
    return {name: _from_arrow(pa, file, name, table.column(name)) for name in names}


def _from_arrow(pa: Any, file: Path, name: str, column: Any) -> np.ndarray:
    types, array = pa.types, column.combine_chunks()
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    shape = [len(array)]
    while True:
        if array.null_count:
            first = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
            inner = len(array) // max(shape[0], 1)
            raise ValueError(
                f"The column {name!r} in {str(file)!r} must have no empty entries. Received: "
                f"{array.null_count} of {len(array)}; the first is in row {first // inner}. Fill "
                "them or drop the rows."
            )
        if not (
            types.is_list(array.type)
            or types.is_large_list(array.type)
            or types.is_fixed_size_list(array.type)
        ):
            break
        lengths = pa.compute.list_value_length(array).to_numpy(zero_copy_only=False)
        _refuse_unequal(file, name, lengths)
        shape.append(int(lengths[0]) if len(lengths) else 0)
        array = array.flatten()
    return array.to_numpy(zero_copy_only=False).reshape(shape)


def _write_parquet(file: Path, columns: Mapping[str, np.ndarray]) -> None:
    pa = _pyarrow()
    arrays = {}
    for name, values in columns.items():
        array = pa.array(values.reshape(-1))
        for size in values.shape[:0:-1]:
            array = pa.FixedSizeListArray.from_arrays(array, size)
        arrays[name] = array
    pa.parquet.write_table(pa.table(arrays), file)


# TFRecord


def _read_tfrecord(file: Path, names: Sequence[str]) -> Columns:
    try:
        kinds = _kinds_of_first(file)
        _refuse_unknown(file, names, sorted(kinds))
        lists = {
            name: tf.io.RaggedFeature(kinds[name], row_splits_dtype=tf.int64) for name in names
        }
        dataset = tf.data.TFRecordDataset(str(file)).batch(_RECORDS_A_BATCH)
        batches = [tf.io.parse_example(records, lists) for records in dataset]
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, DecodeError) as error:
        raise ValueError(
            "A .tfrecord file must be whole, each record a tf.train.Example with features of the "
            f"same kinds. Received: {str(file)!r}, which cannot be read: {error}. Write it anew."
        ) from error
    columns = {}
    for name in names:
        lengths = np.concatenate([batch[name].row_lengths().numpy() for batch in batches])
        _refuse_unequal(file, name, lengths)
        values = np.concatenate([batch[name].flat_values.numpy() for batch in batches])
        columns[name] = values if lengths[0] == 1 else values.reshape(len(lengths), -1)
    return columns


def _kinds_of_first(file: Path) -> dict[str, tf.DType]:
    """The features of the first record, and what they hold."""
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file)).take(1)]
    if not records:
        raise ValueError(f"A table must have a row. Received: {str(file)!r}, which is empty.")
    features = tf.train.Example.FromString(records[0]).features.feature
    kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
    dtypes = {"int64_list": tf.int64, "float_list": tf.float32, "bytes_list": tf.string}
    return {name: dtypes[kind] for name, kind in kinds.items() if kind}


def _write_tfrecord(file: Path, columns: Mapping[str, np.ndarray]) -> None:
    for name, values in columns.items():
        if values.ndim > 2:
            raise ValueError(
                "A .tfrecord file holds flat lists. Received: the column "
                f"{name!r} of shape {values.shape}. Write a .parquet file."
            )
    with tf.io.TFRecordWriter(str(file)) as writer:
        for example in _examples(columns):
            writer.write(example.SerializeToString())


def _examples(columns: Mapping[str, np.ndarray]) -> Iterator[tf.train.Example]:
    makers = [_feature_maker(values.dtype) for values in columns.values()]
    lists = [values.reshape(len(values), -1).tolist() for values in columns.values()]
    for row in zip(*lists, strict=True):
        made = (make(values) for make, values in zip(makers, row, strict=True))
        features = dict(zip(columns, made, strict=True))
        yield tf.train.Example(features=tf.train.Features(feature=features))


def _feature_maker(dtype: np.dtype) -> Callable[[list], tf.train.Feature]:
    if dtype.kind in "iu":
        return lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if dtype.kind == "f":
        return lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return lambda values: tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[value.encode() for value in values])
    )
