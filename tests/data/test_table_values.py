"""Moments and words, against Python's own datetime and plain Python."""

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.table_values import (
    WrongValue,
    as_words,
    converted,
    fits,
    refuse_where,
    seconds,
    without_gaps,
)

few = settings(max_examples=50, deadline=None)
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))])
moments = st.datetimes(datetime(1905, 1, 1), datetime(2200, 1, 1), timezones=zones)


def floor_of(moment):
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def column(values, kind=None):
    """In two chunks."""
    half = len(values) // 2
    return pa.chunked_array([pa.array(values[:half], kind), pa.array(values[half:], kind)], kind)


@few
@given(values=st.lists(moments, min_size=1, max_size=6))
def test_iso_dates_are_seconds_of_their_zone(values):
    texts = [value.isoformat(sep=" ") for value in values] + [None, "NA"]
    expected = [floor_of(value) for value in values] + [None, None]
    assert seconds(column(texts, pa.string())).to_pylist() == expected
    assert seconds(column(texts, pa.string()).dictionary_encode()).to_pylist() == expected


@few
@given(values=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=6))
def test_numbers_are_seconds_whatever_their_type(values):
    halves = [value + 0.5 for value in values]
    assert seconds(column(values, pa.int64())).to_pylist() == values
    assert seconds(column(halves, pa.float64())).to_pylist() == values
    assert seconds(column([str(value) for value in halves], pa.string())).to_pylist() == values
    assert seconds(column(values, pa.timestamp("s"))).to_pylist() == values
    assert seconds(column([1000 * x for x in values], pa.timestamp("ms"))).to_pylist() == values


def test_days_are_their_first_second():
    assert seconds(column([0, 2], pa.date32())).to_pylist() == [0, 2 * 86400]


@pytest.mark.parametrize(
    ("values", "kind", "row"),
    [
        (["2020-01-01", "2020-02-30"], pa.string(), 1),
        (["2020-01-01", "5"], pa.string(), 1),
        (["5", "6", "soon"], pa.string(), 2),
        (["5", "inf"], pa.string(), 1),
        ([1.0, float("inf")], pa.float64(), 1),
        ([1, 2**60], pa.int64(), 1),
        ([1, 2**63], pa.uint64(), 1),
        ([None, True], pa.bool_(), 1),
        ([0, 1], pa.time32("s"), 0),
        ([0, 1], pa.duration("s"), 0),
    ],
)
def test_the_row_of_what_is_no_moment_is_said(values, kind, row):
    with pytest.raises(WrongValue) as error:
        seconds(column(values, kind))
    assert error.value.row == row


def test_what_is_no_number_is_missing_as_a_moment():
    assert seconds(column([1.5, float("nan")], pa.float64())).to_pylist() == [1, None]


@few
@given(values=st.lists(st.floats(allow_nan=False) | st.none(), max_size=6))
def test_numbers_become_words_as_python_writes_them(values):
    expected = [None if value is None else repr(value) for value in values]
    assert as_words(column(values, pa.float64())).to_pylist() == expected


def test_other_columns_become_words():
    assert as_words(column([True, None], pa.bool_())).to_pylist() == ["true", None]
    assert as_words(column([7, 8], pa.int64())).to_pylist() == ["7", "8"]
    assert as_words(column([0.1], pa.float32())).to_pylist() == ["0.1"]


@pytest.mark.parametrize("kind", [pa.int8(), pa.float32(), pa.decimal128(25, 2)])
def test_what_is_of_numbers_is_read_as_numbers(kind):
    values = pa.chunked_array([pa.array([1, None, 3]).cast(kind)])
    assert converted("auto", values).to_pylist() == [1.0, None, 3.0]


def test_a_column_of_nothing_takes_the_type_of_the_others():
    nothing = pa.chunked_array([pa.nulls(2)])
    assert converted("auto", nothing) is nothing
    numbers = column([1.0], pa.float64())
    assert [c.type for c in without_gaps([nothing, numbers], "auto")] == [pa.float64()] * 2
    assert without_gaps([nothing], "number")[0].type == pa.float64()
    assert without_gaps([nothing], "time")[0].type == pa.int64()
    assert without_gaps([nothing], "word")[0].to_pylist() == [None, None]


def test_the_first_row_of_which_something_holds():
    refuse_where(column([False, None], pa.bool_()))
    with pytest.raises(WrongValue, match="row 2"):
        refuse_where(column([None, False, True, True], pa.bool_()))


@few
@given(text=st.floats().map(repr) | st.integers().map(str))
def test_numbers_of_python_fit(text):
    assert fits(text, "number")


@pytest.mark.parametrize("text", ["", "1_0", "0x1", "1,5", "1 000", "٣", "true", "--1", "."])
def test_other_texts_are_no_numbers(text):
    assert not fits(text, "number") and fits(text, "word")
