"""Columns of Parquet of all types."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tdrec.data.error import DataError
from tdrec.data.parquet_tables import parquet_file, read_parquet

NAN = float("nan")


@pytest.fixture
def read(tmp_path):
    def column(values, kind, of):
        array = values if isinstance(values, pa.Array) else pa.array(values, of)
        pq.write_table(pa.table({"x": array, "other": array}), tmp_path / "rows.parquet")
        return read_parquet(tmp_path / "rows.parquet", {"x": kind})["x"]

    return column


@pytest.mark.parametrize(
    ("values", "of", "kind", "expected"),
    [
        ([1, None], pa.int32(), "id", [1, None]),
        ([1, 2**63 - 1], pa.uint64(), "id", ["1", str(2**63 - 1)]),
        ([1.0, NAN, None], pa.float64(), "id", [1, None, None]),
        (["a", "1"], pa.large_string(), "id", ["a", "1"]),
        ([b"a"], pa.binary(), "id", ["a"]),
        ([Decimal("1.00")], pa.decimal128(9, 2), "id", ["1.00"]),
        ([True], pa.bool_(), "id", ["true"]),
        ([1.0, NAN, None], pa.float64(), "word", ["1.0", None, None]),
        ([3, None], pa.int64(), "word", ["3", None]),
        ([1, None], pa.int8(), "number", [1.0, None]),
        ([" 1.5", "", "NA", None], pa.string(), "number", [1.5, None, None, None]),
        ([Decimal("1.25")], pa.decimal128(9, 2), "number", [1.25]),
        ([1.5, NAN], pa.float32(), "auto", [1.5, None]),
        (["1", "a"], pa.string(), "auto", ["1", "a"]),
        ([5, None], pa.timestamp("s", "Europe/Amsterdam"), "time", [5, None]),
        (["2020-01-01T00:00Z"], pa.string(), "time", [1577836800]),
        ([1.5, NAN], pa.float64(), "time", [1, None]),
    ],
    ids=str,
)
def test_values_come_as_they_are_to_be(read, values, of, kind, expected):
    assert read(values, kind, of).to_pylist() == expected
    if of != pa.binary():
        assert read(pa.array(values, of).dictionary_encode(), kind, None).to_pylist() == expected


def test_nothing_stays_nothing(read):
    for kind in ("id", "word", "number", "time", "auto"):
        assert read([None, None], kind, pa.null()).to_pylist() == [None, None]
        assert read([], kind, pa.int64()).to_pylist() == []


@pytest.mark.parametrize(
    ("values", "of", "kind", "message"),
    [
        ([1.0, 1.5], pa.float64(), "id", "row 2: x must be a whole number or a word.*'1.5'"),
        ([1.0, 2.0**64], pa.float64(), "id", "row 2: x must be a whole number"),
        ([b"\xff"], pa.binary(), "id", "x must hold a whole number or a word in each row"),
        ([None, True], pa.bool_(), "number", "row 2: x must be a number. Received: 'True'"),
        (["1", "1,5"], pa.string(), "number", "row 2: x must be a number. Received: '1,5'"),
        (
            [["a"]],
            pa.list_(pa.string()),
            "word",
            "x must have one value in each row. Received: lists",
        ),
        ([{"a": 1}], None, "number", "x must have one value in each row. Received: mappings"),
        (["soon"], pa.string(), "time", "row 1: x must be a number of seconds or an ISO date"),
    ],
)
def test_the_row_that_cannot_be_read_is_said(read, values, of, kind, message):
    with pytest.raises(DataError, match=f"rows.parquet(, |: ){message}"):
        read(values, kind, of)


def test_a_damaged_file_is_refused(tmp_path, read):
    read(list(range(1000)), "id", pa.int64())
    whole = (tmp_path / "rows.parquet").read_bytes()
    for content in (b"", b"a,b\n", whole[:-9], whole[:20] + b"\xff" * 900 + whole[920:]):
        (tmp_path / "rows.parquet").write_bytes(content)
        with pytest.raises(DataError, match="must be a sound Parquet file. .*copy it again"):
            read_parquet(tmp_path / "rows.parquet", {"x": "id"})
    with pytest.raises(DataError, match="must be a sound Parquet file"):
        parquet_file(tmp_path / "none.parquet")
