"""One door for data: what is taken, what it becomes, and what is refused before any work."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tdrec.distill.given_data import (
    as_array,
    batches_of,
    check_rows,
    endless,
    is_rows,
    refuse_not_finite,
)
from tdrec.distill.teacher_targets import in_memory

ROWS = tf.data.Dataset.range(12)
X, Y = np.arange(12.0).reshape(6, 2), np.arange(6)


class Loaded(keras.utils.PyDataset):
    """Six rows in batches of two; without an end if `ends` is False."""

    def __init__(self, ends=True):
        super().__init__()
        self.ends = ends

    def __getitem__(self, index):
        rows = slice(index % 3 * 2, index % 3 * 2 + 2)
        return X[rows], Y[rows]

    @property
    def num_batches(self):
        return 3 if self.ends else None


KINDS = {
    "int64": [3, 4],
    "float32": [0.5, 2],
    "bool": [True, False],
    "str": ["a", "ж"],
}
HOLDERS = {
    "numpy": lambda values, kind: np.array(values, kind),
    "object": lambda values, kind: np.array(values, object),
    "pandas": lambda values, kind: pd.Series(values, dtype=kind),
    "nullable": lambda values, kind: pd.Series(values).convert_dtypes(),
    "category": lambda values, kind: pd.Series(values, dtype="category"),
    "list": lambda values, kind: values,
    "tensor": lambda values, kind: tf.constant(values),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_what_their_entries_are(kind, holder):
    array = as_array(HOLDERS[holder](KINDS[kind], kind), "x")
    assert array.tolist() == [
        v.encode() if holder == "tensor" and kind == "str" else v for v in KINDS[kind]
    ]
    assert array.dtype.kind in {"str": "OU"}.get(kind, np.dtype(kind).kind)


def test_columns_of_lists_are_matrices():
    assert as_array(pd.Series([[1, 2], [3, 4]]), "x").tolist() == [[1, 2], [3, 4]]


MISSING_OR_MIXED = {
    "text missing": pd.Series(["a", None], dtype=object),
    "string missing": pd.Series(["a", None], dtype="string"),
    "category missing": pd.Series(["a", None], dtype="category"),
    "integer missing": pd.Series([1, None], dtype="Int64"),
    "boolean missing": pd.Series([True, None], dtype="boolean"),
    "number and text": np.array([1, "a"], object),
    "text and nan": np.array(["a", np.nan], object),
    "unequal lists": pd.Series([[1, 2], [3]]),
}


@pytest.mark.parametrize("column", MISSING_OR_MIXED.values(), ids=MISSING_OR_MIXED)
def test_columns_with_what_is_missing_or_mixed(column):
    with pytest.raises(ValueError, match=r"x\['user'\] with .*, such as in row 1\. Fill or drop"):
        check_rows(({"user": column}, [1, 2]))


NO_COLUMNS = {
    "dates": pd.to_datetime(pd.Series(["2020-01-01"])),
    "dates as objects": pd.Series([pd.Timestamp("2020-01-01")], dtype=object),
    "complex": np.array([1j]),
    "a frame of several kinds": pd.DataFrame({"user": [1], "name": ["a"]}),
}


@pytest.mark.parametrize("column", NO_COLUMNS.values(), ids=NO_COLUMNS)
def test_what_is_neither_number_nor_string(column):
    with pytest.raises(ValueError, match=r"must be of numbers or of strings.* dict\(frame\)"):
        check_rows((column,))


def test_ragged_and_sparse_rows():
    for rows in (tf.ragged.constant([[1], [2, 3]]), tf.sparse.eye(2)):
        with pytest.raises(ValueError, match=f"Received: x, a {type(rows).__name__}. Make it dens"):
            check_rows((rows,))


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (({"a": X, "b": X[:4]}, Y), r"x\['a'\] of 6 rows, x\['b'\] of 4 rows, y of 6 rows"),
        ((X, Y[:5]), "x of 6 rows, y of 5 rows"),
        ((X, Y, np.ones(9)), "x of 6 rows, y of 6 rows, sample_weight of 9 rows"),
        (
            (X, {"like": Y, "buy": Y[1:]}),
            r"x of 6 rows, y\['buy'\] of 5 rows, y\['like'\] of 6 rows",
        ),
        ((X, None, Y[1:]), "x of 6 rows, sample_weight of 5 rows"),
        ((pd.DataFrame(X), pd.Series(Y[:2])), "x of 6 rows, y of 2 rows"),
    ],
)
def test_unequal_lengths_are_named(data, received):
    with pytest.raises(ValueError, match=f"must be equally long.* Received: {received}"):
        check_rows(data)


def test_rows_keep_their_structure():
    x, y, weight = check_rows(({"b": X, "a": (Y, Y)}, None, pd.Series(Y)))
    assert y is None and weight.tolist() == Y.tolist()
    assert x["b"] is X and isinstance(x["a"], tuple)
    assert len(check_rows(X)) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([X, Y], r"Received: a list of 2. Give a tuple, \(x, y\)"),
        ((X, Y, Y, Y), "Received: a tuple of 4. Put several inputs into one"),
        ((X, 3.0), r"Received: y of shape \(\), which is single"),
        ((X[:0], Y[:0]), r"at least one row. Received: x of shape \(0, 2\), y of shape \(0,\)"),
        ((None, None), "at least one row. Received: none"),
    ],
)
def test_rows_that_are_none(data, message):
    with pytest.raises(ValueError, match=message):
        check_rows(data)


def pairs(data=None):
    return tf.data.Dataset.from_tensor_slices((X, Y) if data is None else data)


@pytest.mark.parametrize(
    ("data", "steps"),
    [
        (pairs().batch(2), None),
        (pairs().batch(2).filter(lambda x, y: True), None),
        (pairs().batch(2).repeat(), 3),
        (pairs().batch(2).repeat().take(3), None),
        (Loaded(), None),
        (Loaded(ends=False), 3),
        (((X[i : i + 2], Y[i : i + 2]) for i in (0, 2, 4)), 3),
    ],
)
def test_batches_of_each_kind_are_read(data, steps):
    (x, y), size = in_memory(data, steps)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert size == 2


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (pairs().batch(2).repeat(), "a tf.data.Dataset without end"),
        (pairs().repeat().batch(2).filter(lambda x, y: True), "a tf.data.Dataset without end"),
        (tf.data.Dataset.counter().batch(2), "a tf.data.Dataset without end"),
        (Loaded(ends=False), "the PyDataset Loaded, where it ends cannot be known"),
        ((batch for batch in [(X, Y)]), "a generator, where it ends cannot be known"),
        (iter([(X, Y)]), "a list_iterator, where it ends cannot be known"),
    ],
)
def test_data_without_end_is_refused_before_it_is_read(data, received):
    with pytest.raises(ValueError, match=f"Received: {received}. Say how many .* steps=1000"):
        batches_of(data)


def test_an_end_is_known_where_one_is_made():
    assert endless(ROWS.repeat().map(lambda x: x))
    assert not endless(ROWS.repeat().take(3).filter(lambda x: True))
    assert not endless(ROWS.repeat().take_while(lambda x: x < 3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pairs(), r"must be of batches. Received: single rows, .* dataset.batch\(256\)"),
        (object(), "Received: object. Of another loader make a generator of tuples"),
        ("ratings.csv", "Received: str. Of another loader"),
    ],
)
def test_data_of_other_kinds_is_refused_by_name(data, message):
    assert not is_rows(data)
    with pytest.raises(ValueError, match=message):
        batches_of(data)


def test_at_least_one_step():
    with pytest.raises(ValueError, match="`steps` must be at least 1. Received: 0"):
        batches_of(pairs().batch(2), 0)


def test_batches_are_checked_like_rows():
    shorter = pairs().batch(2).map(lambda x, y: (x, y[:1]))
    with pytest.raises(ValueError, match="y of 1 rows in batch 0. Make them one length"):
        in_memory(shorter)
    with pytest.raises(ValueError, match="Received: a list of 2 in batch 1. Give a tuple"):
        in_memory((batch for batch in [(X, Y), [X, Y]]), steps=2)


def test_batches_of_other_shapes_are_refused():
    batches = (np.zeros((2, width)) for width in (3, 4))
    with pytest.raises(ValueError, match=r"Received: x with entries of shapes \(3,\), \(4,\). Pad"):
        in_memory(batches, steps=2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_teacher_of_nan_is_named_with_its_first_row(bad):
    values = np.ones((70000, 2), "float32")
    values[[7, 69999], 1] = bad
    received = "teacher's high must be finite.* 2 of 70000 rows .* the first is row 7"
    with pytest.raises(ValueError, match=received):
        refuse_not_finite("high", values)
    with pytest.raises(ValueError, match="the first is row 107"):
        refuse_not_finite("high", values, first=100)
    refuse_not_finite("high", values[8:100])
