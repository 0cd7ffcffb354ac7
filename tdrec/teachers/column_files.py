"""Columns of a Parquet or TFRecord file as NumPy arrays, and back.

Both kinds of file hold the same thing: named columns of one entry a row, an integer, a number, a
string, or a list that is equally long in each row. Which kind it is, the file's name says.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import tensorflow as tf
from google.protobuf.message import DecodeError

from tdrec.runtime.files import replacing, user_path
from tdrec.runtime.tfrecords import read_records
from tdrec.teachers.table_files import table_files

Columns = dict[str, np.ndarray]
PathLike = str | os.PathLike[str]

_RECORDS_A_BATCH = 4096
UNREADABLE = (pa.ArrowException, OSError)


def read_columns(path: PathLike, names: Sequence[str]) -> Columns:
    """Reads columns of a file, or of all files of one kind in a folder, ordered by their names.

    A TFRecord file may be compressed, whatever its name. Files without rows are passed over. Of a
    folder of folders such as `genre=Drama/part-0.parquet` (Hive's way), `genre` is a column too.

    Args:
        path: A file named as `.parquet` or `.tfrecord`, maybe with `-00000-of-00002` or `.gz` after
            it, or a folder of them.
        names: The columns to read.

    Returns:
        Arrays by name: of shape `(rows,)`, or `(rows, n)` for lists of n. Parquet may nest lists:
        `(rows, m, n)`. Strings are `str` in Parquet and `bytes` in TFRecord files.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind, or damaged, or has no row, or lacks a column, or a
            column has empty entries, lists of unequal lengths or values of several kinds.

    Example:
        >>> write_columns("scores.parquet", {"user": np.arange(2), "score": np.array([4.5, 2.5])})
        >>> read_columns("scores.parquet", ["score"])
        {'score': array([4.5, 2.5])}
    """
    path = user_path(path)
    kind, files = table_files(path)
    if kind == "parquet":
        folders = _folder_columns(path, files, names)
        parts = [_read_parquet(file, names, own) for file, own in zip(files, folders, strict=True)]
    else:
        parts = [_read_tfrecord(file, names) for file in files]
    columns = {}
    for name in names:
        found = [(file, p[name]) for file, p in zip(files, parts, strict=True) if name in p]
        if not any(len(values) for _, values in found):
            raise ValueError(
                f"A table must have a row. Received: {str(path)!r}, which is empty. Write it anew."
            )
        columns[name] = _joined(name, found)
    return columns


def write_columns(path: PathLike, columns: Mapping[str, np.ndarray]) -> None:
    """Writes columns to a file, which is there once it is complete.

    Args:
        path: A file ending in `.parquet` or `.tfrecord`.
        columns: Integers, floats or strings by name, of shape `(rows,)` or `(rows, n)`, and in
            Parquet also of more axes, nested lists of fixed sizes.

    Raises:
        ValueError: If the suffix is another one, or the file cannot hold an array of that shape.

    Example:
        >>> write_columns("scores.tfrecord", {"user": np.arange(2), "score": np.array([4.5, 2.5])})
    """
    path = user_path(path)
    if path.suffix not in (".parquet", ".tfrecord"):
        raise ValueError(
            f"A table is written to a file ending in .parquet or .tfrecord. Received: "
            f"{str(path)!r}. Choose such a name."
        )
    write = {".parquet": _write_parquet, ".tfrecord": _write_tfrecord}[path.suffix]
    with replacing(path) as temporary:
        write(temporary, columns)


def _joined(name: str, parts: Sequence[tuple[Path, np.ndarray]]) -> np.ndarray:
    """A column of several files, of which those without rows need only be of its kind."""
    file, first = next((file, values) for file, values in parts if len(values))
    for other, values in parts:
        if values.dtype == np.void:
            continue
        if values.shape[1:] != first.shape[1:] and (len(values) or values.ndim != first.ndim):
            raise ValueError(
                f"The lists of the column {name!r} must be equally long in every file. Received: "
                f"shapes {[first.shape[1:], values.shape[1:]]} in {str(file)!r} and "
                f"{str(other)!r}. Write the files anew."
            )
        if _kind(values) != _kind(first):
            raise ValueError(
                f"The column {name!r} must be of one kind in every file. Received: {_kind(first)} "
                f"in {str(file)!r} and {_kind(values)} in {str(other)!r}. Write the files anew."
            )
    return np.concatenate([v for _, v in parts if len(v)]) if len(parts) > 1 else first


def _kind(values: np.ndarray) -> str:
    kinds = {"b": "truth values", "i": "numbers", "u": "numbers", "f": "numbers", "M": "times"}
    return kinds.get(values.dtype.kind, "strings")


def _refuse_unknown(file: Path, names: Sequence[str], present: Sequence[str]) -> None:
    if missing := [name for name in names if name not in present]:
        raise ValueError(
            f"{str(file)!r} must have the columns that are asked for. Received: no "
            f"{', '.join(map(repr, missing))}; its columns are: {', '.join(map(repr, present))}."
        )


def _refuse_unequal(file: Path, name: str, lengths: np.ndarray, a_row: int = 1) -> None:
    """Refuses a column of lists, so many a row, unless each is as long as the first."""
    if len(other := np.flatnonzero(lengths != lengths[:1])):
        raise ValueError(
            f"The lists of the column {name!r} in {str(file)!r} must be equally long. Received: "
            f"{len(other)} of {len(lengths)} that differ from the first, of {lengths[0]}; the "
            f"first of them is row {other[0] // a_row}, of {lengths[other[0]]}. Mend these rows or "
            "drop them."
        )


# Parquet


def _folder_columns(
    path: Path, files: Sequence[Path], names: Sequence[str]
) -> list[dict[str, Any]]:
    """What the folders of each file say of its rows, as `genre` in `genre=Drama/part-0.parquet`."""
    if files[0].parent == path or not path.is_dir():
        return [{}] * len(files)
    try:
        dataset = ds.dataset(
            [str(file) for file in files],
            format="parquet",
            partitioning=ds.partitioning(flavor="hive"),
            partition_base_dir=str(path),
        )
    except UNREADABLE as error:
        raise ValueError(
            "Folders such as genre=Drama must hold whole .parquet files, whose columns have other "
            f"names. Received: {str(path)!r}, which cannot be read: {error}. Write it anew."
        ) from error
    said = {
        fragment.path: ds.get_partition_keys(fragment.partition_expression)
        for fragment in dataset.get_fragments()
    }
    return [{n: v for n, v in said[str(file)].items() if n in names} for file in files]


def _read_parquet(file: Path, names: Sequence[str], said: Mapping[str, Any]) -> Columns:
    """The columns of a file, with those that its folder's name gives."""
    own = [name for name in names if name not in said]
    try:
        with pq.ParquetFile(file) as stored:
            _refuse_unknown(file, own, stored.schema_arrow.names)
            table = stored.read(columns=own)
    except UNREADABLE as error:
        raise ValueError(
            f"A .parquet file must be whole. Received: {str(file)!r}, which cannot be read: "
            f"{error}. Write it anew."
        ) from error
    for name, value in said.items():
        column = pa.repeat(pa.scalar(value), table.num_rows)
        table = table.append_column(name, column)
    return {name: _from_arrow(pa, file, name, table.column(name)) for name in names}


def _from_arrow(pa: Any, file: Path, name: str, column: Any) -> np.ndarray:
    types, array = pa.types, column.combine_chunks()
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    shape = [len(array)]
    while True:
        a_row = len(array) // max(shape[0], 1)
        if array.null_count:
            first = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
            raise ValueError(
                f"The column {name!r} in {str(file)!r} must have no empty entries. Received: "
                f"{array.null_count} of {len(array)}; the first is in row {first // a_row}. Fill "
                "them or drop the rows."
            )
        if not (
            types.is_list(array.type)
            or types.is_large_list(array.type)
            or types.is_fixed_size_list(array.type)
        ):
            break
        lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
        _refuse_unequal(file, name, lengths, a_row)
        shape.append(int(lengths[0]) if len(lengths) else 0)
        array = array.flatten()
    if types.is_null(array.type):  # of no row, so that its writer knew no type
        return np.empty(shape, np.void)
    return array.to_numpy(zero_copy_only=False).reshape(shape)


def _write_parquet(file: Path, columns: Mapping[str, np.ndarray]) -> None:
    arrays = {}
    for name, values in columns.items():
        array = pa.array(values.reshape(-1))
        for size in values.shape[:0:-1]:
            array = pa.FixedSizeListArray.from_arrays(array, size)
        arrays[name] = array
    pq.write_table(pa.table(arrays), file)


# TFRecord


def _read_tfrecord(file: Path, names: Sequence[str]) -> Columns:
    """The columns of a file; none if it has no record, since what it lacks cannot be seen then."""
    try:
        records = read_records([file])
        kinds = _kinds_of_first(records)
        if kinds is None:
            return {}
        _refuse_unknown(file, names, sorted(kinds))
        lists = {
            name: tf.io.RaggedFeature(kinds[name], row_splits_dtype=tf.int64) for name in names
        }
        parts = [tf.io.parse_example(some, lists) for some in records.batch(_RECORDS_A_BATCH)]
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, DecodeError) as error:
        raise ValueError(
            "A .tfrecord file must be whole, each record a tf.train.Example with features of the "
            f"same kinds. Received: {str(file)!r}, which cannot be read: {error}. Write it anew."
        ) from error
    columns = {}
    for name in names:
        lengths = np.concatenate([part[name].row_lengths().numpy() for part in parts])
        _refuse_unequal(file, name, lengths)
        values = np.concatenate([part[name].flat_values.numpy() for part in parts])
        columns[name] = values if lengths[0] == 1 else values.reshape(len(lengths), -1)
    return columns


def _kinds_of_first(records: tf.data.Dataset) -> dict[str, tf.DType] | None:
    """The features of the first record, and what they hold."""
    first = next(records.take(1).as_numpy_iterator(), None)
    if first is None:
        return None
    features = tf.train.Example.FromString(first).features.feature
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
