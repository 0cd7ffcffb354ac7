"""A teacher's outputs in a table, found by the ids of an example: no teacher is needed to train."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from tdrec.distill.given_data import as_array, check_lengths, names_of
from tdrec.distill.model_split import ModelSplit, Trace
from tdrec.distill.teacher_targets import TeacherTargets, WithTargets, attach
from tdrec.teachers.column_files import PathLike, read_columns, write_columns

Ids = Mapping[str, Any]


class StoredTargets:
    """What a teacher made of examples, each found by its key: one id or several.

    When the teacher is too costly to load where the student is trained, or is not yours to run,
    its outputs are computed once elsewhere, stored, and joined to the training rows. Predictions
    are enough for label distillation; methods that read states need columns of those too, and TD
    needs the teacher itself besides, to interpret with.

    Args:
        ids: Integers or strings by the name of the key's column, each of shape `(rows,)`.
        targets: The teacher's trace of the same rows: arrays of shape `(rows, ...)`, and None for
            what is not stored. Of shape `(rows,)` they are taken as `(rows, 1)`, which is what a
            dense layer of one unit returns.

    Attributes:
        keys: The names of the key's columns.
        fields: The fields of the trace that are stored.

    Raises:
        ValueError: If nothing is stored, lengths differ, an id is neither an integer nor a string,
            a value is not a finite number, or one key has several values.

    Example:
        >>> keys = ["user", "movie"]
        >>> StoredTargets.from_teacher(teacher_split, x, keys).write("scores.parquet")
        >>> table = StoredTargets.read("scores.parquet", keys)
        >>> distiller = Distiller(student_split, None, LabelDistillation())
        >>> distiller.compile("adam", loss="mse")
        >>> history = distiller.fit(table.attach(x), y)
    """

    def __init__(self, ids: Ids, targets: Trace) -> None:
        self.keys = tuple(ids)
        if not self.keys:
            raise ValueError(
                "A stored target is found by a key. Received: no key columns. Name at least one, "
                'such as keys=["user", "movie"].'
            )
        key_columns = {name: _id_column(name, values) for name, values in ids.items()}
        columns = {f: _numbers(f, v) for f, v in targets._asdict().items() if v is not None}
        if not columns:
            raise ValueError(
                "A table holds the teacher's prediction, its states, or both. Received: neither. "
                "Name the column of at least one of prediction, low and high."
            )
        lengths = {name: len(values) for name, values in (key_columns | columns).items()}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            raise ValueError(
                "The columns of a table must be equally long, of one row or more. Received: "
                f"{lengths}. Give each row an entry in each."
            )
        frame = pd.DataFrame(key_columns)
        for field, values in columns.items():
            _refuse_not_finite(field, values, frame)
        first = _first_of_each_key(frame, columns)
        if len(first) < len(frame):
            frame = frame.iloc[first]
            columns = {field: values[first] for field, values in columns.items()}
        self.fields = tuple(columns)
        self._columns = columns
        self._index = pd.MultiIndex.from_frame(frame)

    def __len__(self) -> int:
        """How many keys have targets."""
        return len(self._index)

    @classmethod
    def read(
        cls,
        path: PathLike,
        keys: Sequence[str],
        *,
        prediction: str | None = "prediction",
        low: str | None = None,
        high: str | None = None,
    ) -> "StoredTargets":
        """Reads a table from a file, or from all files of one kind in a folder.

        Args:
            path: A `.parquet` file, or a `.tfrecord` file of `tf.train.Example` records, or a
                folder of one kind of them.
            keys: The columns that identify a row, named as in the training data.
            prediction: Column of the teacher's output: numbers, or lists of fixed size. Default
                `"prediction"`; None if there is none.
            low: Column of the lower hidden state, lists of fixed size. Default None: not stored.
            high: Column of the higher hidden state. Default None: not stored.

        Returns:
            The table.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file cannot be read, lacks a column, or breaks a rule of the class.

        Example:
            >>> write_columns("scores.parquet", {"user": np.arange(3), "score": np.ones(3)})
            >>> table = StoredTargets.read("scores.parquet", keys=["user"], prediction="score")
            >>> len(table), table.fields
            (3, ('prediction',))
        """
        if isinstance(keys, str):
            raise ValueError(
                f"`keys` must be a list of columns. Received: {keys!r}. Write keys=[{keys!r}]."
            )
        named = {"low": low, "high": high, "prediction": prediction}
        wanted = {field: column for field, column in named.items() if column is not None}
        columns = read_columns(path, list(dict.fromkeys([*keys, *wanted.values()])))
        fields = {field: columns[column] for field, column in wanted.items()}
        return cls(
            {key: columns[key] for key in keys}, Trace(**{**dict.fromkeys(Trace._fields), **fields})
        )

    @classmethod
    def from_teacher(
        cls,
        teacher: ModelSplit,
        x: Any,
        keys: Sequence[str],
        *,
        fields: Sequence[str] = ("prediction",),
        batch_size: int = 1024,
    ) -> "StoredTargets":
        """Runs a teacher on examples, to store what it makes of them.

        Args:
            teacher: The teacher's split, or a `Predictor`.
            x: Its inputs by name, arrays of shape `(rows, ...)`.
            keys: The inputs that identify a row.
            fields: What to keep: `"prediction"`, `"low"`, `"high"`. Default the prediction, which
                is what label distillation reads.
            batch_size: Rows of one forward pass. Default 1024.

        Returns:
            The table.

        Raises:
            ValueError: If the teacher has no such field, an input is missing, or the keys do not
                identify a row.

        Example:
            >>> table = StoredTargets.from_teacher(teacher_split, x, keys=["user", "movie"])
            >>> table.write("scores.tfrecord")
        """
        ids = _ids_in(x, keys, None)
        trace = TeacherTargets(batch_size=batch_size)(teacher, x, fields)
        if missing := [field for field in fields if getattr(trace, field, None) is None]:
            raise ValueError(
                "A table holds what the teacher shows. Received: fields="
                f"{tuple(fields)} of a teacher without {', '.join(missing)}. Name others, or give "
                "a teacher whose rooms are known."
            )
        return cls(ids, trace)

    def write(self, path: PathLike) -> None:
        """Writes the table, with the fields as columns `prediction`, `low` and `high`.

        Args:
            path: A file ending in `.parquet` (quick and small) or `.tfrecord`. It is there once it
                is complete.

        Raises:
            ValueError: If the suffix is another one, a key's column has the name of a field, or
                states of several axes are to go into TFRecord.
        """
        if clash := set(self.keys) & set(self.fields):
            raise ValueError(
                f"The columns of a file must have different names. Received: {sorted(clash)} as "
                "key and as field. Rename the key's column."
            )
        ids = {name: self._index.get_level_values(name).to_numpy() for name in self.keys}
        values = {f: v[:, 0] if v.shape[1:] == (1,) else v for f, v in self._columns.items()}
        write_columns(path, {**ids, **values})

    def find(self, x: Any, ids: Ids | None = None) -> np.ndarray:
        """Where in the table each row of the data is.

        Args:
            x: The data's inputs, with the key's columns among them.
            ids: The key's columns, where `x` does not hold them. Default None: those of `x`.

        Returns:
            int64 of shape `(rows,)`: positions, -1 for a row that is not in the table. Drop such
            rows with `table.find(x) >= 0`.

        Raises:
            ValueError: If a column is missing, or its ids are of another kind than the table's.
        """
        frame = self._frame(x, ids)
        return self._index.get_indexer(pd.MultiIndex.from_frame(frame)).astype("int64")

    def __call__(self, x: Any, ids: Ids | None = None) -> Trace:
        """The teacher's trace of every row of the data.

        Args:
            x: The data's inputs, with the key's columns among them.
            ids: The key's columns, where `x` does not hold them. Default None: those of `x`.

        Returns:
            A `Trace` of float32 arrays of shape `(rows, ...)`; None for what is not stored.

        Raises:
            ValueError: If a row is not in the table, or a rule of `find` is broken.
        """
        found = self.find(x, ids)
        if len(missing := np.flatnonzero(found < 0)):
            row = self._frame(x, ids).iloc[missing[0]]
            raise ValueError(
                f"Every row must be in the table of {len(self)} keys. Received: {len(missing)} of "
                f"{len(found)} rows without targets; the first is row {missing[0]}, {_key(row)}. "
                "Store the teacher's outputs of these rows, or drop them: table.find(x) >= 0 tells "
                "which are stored."
            )
        return Trace(
            *(self._columns[f][found] if f in self.fields else None for f in Trace._fields)
        )

    def attach(self, x: Any, ids: Ids | None = None) -> WithTargets:
        """Inputs that carry their targets with them, for the `fit` of a distiller.

        Args:
            x: The data's inputs, arrays of shape `(rows, ...)`, with the key's columns among them.
            ids: The key's columns, where `x` does not hold them. Default None: those of `x`.

        Returns:
            What `Distiller.fit` takes as `x`. The student sees the inputs alone.

        Raises:
            ValueError: As `__call__`.
        """
        trace = self(x, ids)
        inputs = zip(names_of((x,)), keras.tree.flatten(x), strict=True)
        check_lengths({**dict(inputs), "the targets": trace[Trace._fields.index(self.fields[0])]})
        return attach(x, trace, self.fields)

    def _frame(self, x: Any, ids: Ids | None) -> pd.DataFrame:
        """The key's columns of the data, of the kinds that the table has."""
        given = _ids_in(x, self.keys, ids)
        columns = {name: _id_column(name, values) for name, values in given.items()}
        check_lengths(columns)
        for (name, column), stored in zip(columns.items(), self._index.levels, strict=True):
            if _kind(column) != _kind(stored):
                raise ValueError(
                    f"The ids of {name!r} must be of one kind in the data and in the table. "
                    f"Received: {_kind(column)} in the data, such as {column[:1].tolist()[0]!r}, "
                    f"and {_kind(stored)} in the table, such as {stored[:1].tolist()[0]!r}. "
                    "Convert one of them."
                )
        return pd.DataFrame(columns)


def _ids_in(x: Any, keys: Sequence[str], ids: Ids | None) -> Ids:
    """The key's columns among the inputs, or those that were given apart."""
    given = x if ids is None else ids
    if not isinstance(given, Mapping) or any(key not in given for key in keys):
        names = (
            f"the columns {', '.join(map(repr, given)) or 'of nothing'}"
            if isinstance(given, Mapping)
            else f"inputs without names, a {type(given).__name__}"
        )
        raise ValueError(
            f"The data must have the key's columns {', '.join(map(repr, keys))}. Received: "
            f"{names}. Hand them over apart: ids={{{keys[0]!r}: ...}}."
        )
    return {key: given[key] for key in keys}


def _id_column(name: str, values: Any) -> pd.Series:
    """The ids as 64-bit integers or strings, whatever holds them."""
    array = as_array(values, f"the ids of {name!r}")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"The ids of {name!r} must have the shape (rows,). Received: shape {array.shape}. "
            "Give one id for each row."
        )
    if array.dtype.kind in "iu":
        return pd.Series(array.astype("int64"))
    if array.dtype.kind in "OUS" and len(array):
        text = [item.decode() if isinstance(item, bytes) else str(item) for item in array]
        return pd.Series(text, dtype="str")
    raise ValueError(
        f"The ids of {name!r} must be integers or strings. Received: dtype {array.dtype}. Convert "
        "them, and drop rows without an id."
    )


def _kind(ids: Any) -> str:
    return "integers" if pd.api.types.is_integer_dtype(ids.dtype) else "strings"


def _numbers(field: str, values: Any) -> np.ndarray:
    """The values as float32 of shape (rows, ..., n)."""
    array = as_array(values, f"the column {field!r}")
    if array.dtype.kind not in "iuf" or not array.ndim or 0 in array.shape[1:]:
        raise ValueError(
            f"{field!r} must be a number, or a list of them, for each row. Received: dtype "
            f"{array.dtype} of shape {array.shape}. Name the column that the teacher's output "
            "is in, as numbers."
        )
    with np.errstate(over="ignore"):  # refused with its key later
        array = array.astype("float32")
    return array[:, None] if array.ndim == 1 else array


def _refuse_not_finite(field: str, values: np.ndarray, frame: pd.DataFrame) -> None:
    finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if len(rows := np.flatnonzero(~finite)):
        raise ValueError(
            f"{field!r} must be finite in float32. Received: {len(rows)} of {len(values)} rows "
            f"with NaN or infinity; the first is row {rows[0]}, {_key(frame.iloc[rows[0]])}. "
            "Compute these rows again, or drop them."
        )


def _first_of_each_key(frame: pd.DataFrame, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rows, one of each key, once it is sure that rows of one key have the same values.

    The same up to rounding: batches of different sizes give a row different last bits.
    """
    again = frame.duplicated().to_numpy()
    if not again.any():
        return np.arange(len(frame))
    group = frame.groupby(list(frame), sort=False).ngroup().to_numpy()
    first = np.flatnonzero(~again)  # groups are numbered in the order of their first rows
    differ = np.zeros(len(frame), bool)
    for values in columns.values():
        same = np.isclose(values, values[first[group]], rtol=1e-4, atol=1e-5)
        differ |= ~same.all(axis=tuple(range(1, values.ndim)))
    if len(rows := np.flatnonzero(differ)):
        row, its_first = rows[0], first[group[rows[0]]]
        raise ValueError(
            f"A key must have one target. Received: {len(rows)} rows whose values differ from "
            f"those of an earlier row with the same key; the first is row {row}, "
            f"{_key(frame.iloc[row])}, which is in row {its_first} too. Add a column to the key, "
            "such as a timestamp, or keep one row of each."
        )
    return first


def _key(row: pd.Series) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in row.to_dict().items())
