"""Columns against what plain Python makes of the same values."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.columns import (
    Categories,
    Labels,
    Numbers,
    Text,
    digest_parts,
    numbers_of,
    sealed,
    whole_numbers,
)
from tdrec.data.error import DataError

words = st.lists(st.sampled_from(["", "NL", "BE", "a b", "é", "a|b", "\n"]), max_size=30)
few = settings(max_examples=40, deadline=None)


@few
@given(values=words, data=st.data())
def test_categories_are_the_different_words_and_the_place_of_each(values, data):
    column = Categories.of([value or None for value in values])
    assert column.names == tuple(sorted(set(values) - {""}))
    assert [column.values[c] if c >= 0 else "" for c in column.codes.tolist()] == values
    assert (column.missing(), column.distinct) == (values.count(""), len(set(values) - {""}))
    counts = Counter(values)
    assert dict(zip(column.names, column.counts(), strict=True)) == {
        name: counts[name] for name in column.names
    }
    for name in column.names:
        assert column.has(name).tolist() == [value == name for value in values]
    chosen = data.draw(st.lists(st.integers(0, len(values) - 1)) if values else st.just([]))
    rows = np.array(chosen, np.int64)
    taken = column.take(rows)
    assert [taken.values[c] if c >= 0 else "" for c in taken.codes.tolist()] == [
        values[row] for row in chosen
    ]
    assert column.counts(rows).tolist() == taken.counts().tolist()


def test_nothing_is_no_category():
    assert Categories.of([None, "", float("nan"), 1.5]).codes.tolist() == [-1, -1, -1, 0]


@few
@given(values=words)
def test_texts_come_back_in_their_order(values):
    column = Text.of(values)
    assert column.strings() == tuple(values)
    assert column.take(slice(None, None, -1)).strings() == tuple(values[::-1])
    assert Text(np.array([-1], np.int32), ()).strings() == ("",)


sets = st.lists(st.lists(st.sampled_from(["Drama", "War", "a b", ""]), max_size=4), max_size=20)


@few
@given(values=sets)
def test_labels_are_sets_of_names(values):
    column = Labels.of(["|".join(each) for each in values], "|")
    found = [set(each) - {""} for each in values]
    names = sorted(set().union(*found))
    assert column.names == tuple(names)
    flags = column.flags[column.codes]
    assert [{names[i] for i in np.flatnonzero(row)} for row in flags] == found
    assert column.counts().tolist() == [sum(name in each for each in found) for name in names]
    assert column.missing() == sum(not each for each in found)
    assert column.counts(np.array([0, 0])).tolist() == (2 * flags[0]).tolist() if values else True
    for name in names:
        assert column.has(name).tolist() == [name in each for each in found]


def test_spaces_around_names_are_no_part_of_them():
    assert Labels.of(["a ; b", " b;", ";"], ";").names == ("a", "b")


def test_what_is_missing_has_no_name():
    column = Labels.of_coded(Categories(np.array([0, -1], np.int32), ("a|b",)), "|")
    assert column.flags[column.codes].tolist() == [[True, True], [False, False]]
    assert (column.missing(), column.distinct) == (1, 2)


@few
@given(values=st.lists(st.floats(-1e30, 1e30) | st.just(float("nan")), max_size=20))
def test_numbers_are_of_32_bits(values):
    column = Numbers(np.array(values, np.float64))
    expected = np.array(values, np.float32)
    np.testing.assert_array_equal(column.values, expected)
    assert column.missing() == sum(value != value for value in values)
    assert column.distinct == len({float(x) for x in expected if x == x})
    np.testing.assert_array_equal(column.take([0]).values if values else [], expected[:1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categories([0], ("a", "a")), "must be different strings. Received: 2 of which 1"),
        (lambda: Categories([0], (1,)), "must be different strings"),
        (lambda: Categories([2], ("a",)), "positions of its 1 values, or -1. Received: 2 to 2"),
        (lambda: Categories([-2], ("a",)), "Received: -2 to -2"),
        (lambda: Categories([0.5], ("a",)), "whole numbers, one for each row. Received: float64"),
        (lambda: Categories([[0]], ("a",)), r"of shape \(1, 1\)"),
        (lambda: Labels([0], [[True]], ("",)), "different, non-empty names"),
        (lambda: Labels([0], [[1]], ("a",)), "bool flags .*Received: int64"),
        (lambda: Labels([1], [[True]], ("a",)), "positions of 1 sets. Received: int64"),
        (lambda: Labels([0.5], [[True]], ("a",)), "positions of 1 sets. Received: float64"),
        (lambda: Numbers([1.0, np.inf]), "Received: inf at row 1. Drop the row"),
        (lambda: Numbers([1.0, 1e40]), r"Received: 1e\+40 at row 1"),
        (lambda: Numbers([[1.0]]), "must be 1-D"),
        (lambda: Numbers(["a"]), "`values` must be numbers. Received: <U1"),
        (lambda: whole_numbers("ids", [1.0]), "`ids` must be whole numbers"),
        (lambda: numbers_of("x", [[1]], "i", ""), r"`x` must be 1-D.*\(1, 1\)"),
    ],
)
def test_what_is_no_column_is_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_arrays_are_sealed_and_shared_where_nobody_can_write():
    own = np.arange(3)
    sealed_copy = sealed(own, own)
    assert sealed_copy is not own and own.flags.writeable and not sealed_copy.flags.writeable
    assert sealed(sealed_copy, sealed_copy) is sealed_copy
    with pytest.raises(ValueError, match="read-only"):
        Categories.of(["a"]).codes[0] = 1


def test_a_digest_depends_on_values_and_not_on_the_layout_of_memory():
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    for same in (array.astype(">i8"), np.asfortranarray(array)):
        assert digest_parts([same]) == digest_parts([array])
    for other in (array.reshape(3, 2), array.astype(np.int32), array + 1):
        assert digest_parts([other]) != digest_parts([array])
    assert digest_parts(["ab", "c"]) != digest_parts(["a", "bc"])


def test_entries_of_some_rows_that_are_missing_are_counted():
    rows = np.array([0, 0, 2])
    for column in (
        Categories.of(["", "a", "b"]),
        Labels.of(["", "a", "b"], "|"),
        Numbers(np.array([np.nan, 1.0, 2.0])),
    ):
        assert column.missing(rows) == 2
