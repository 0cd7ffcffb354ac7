"""Ids of columns, and the catalogue of items."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.columns import Categories
from tdrec.data.error import DataError
from tdrec.data.table_ids import Notes, catalogue, coded, read_ids, read_numbers

few = settings(max_examples=50, deadline=None)


def words(values, chunks=2):
    """A column of words in a dictionary, in chunks that share it."""
    array = pa.array(values, pa.string())
    size = -(-len(values) // chunks) or 1
    parts = [array[i : i + size] for i in range(0, len(values) or 1, size)]
    return pa.chunked_array(parts).dictionary_encode().unify_dictionaries()


def ids(values, notes=None):
    is_text = any(isinstance(value, str) for value in values)
    column = words(values) if is_text else pa.chunked_array([pa.array(values, pa.int64())])
    return read_ids(column, "id", notes or Notes())


def spelled(found):
    names = found.words
    each = [str(n) if names is None else names[n] for n in found.numbers.tolist()]
    return [x if there else None for x, there in zip(each, found.present.tolist(), strict=True)]


@few
@given(values=st.lists(st.integers(-(2**63) + 1, 2**63 - 1) | st.none(), min_size=1, max_size=9))
def test_whole_numbers_are_themselves_as_numbers_and_as_words(values):
    texts = [None if value is None else str(value) for value in values]
    for found in (ids(values), ids([*texts, "0"])):
        assert found.words is None or set(values) == {None}
        assert spelled(found)[: len(values)] == texts


texts = st.text(st.sampled_from("ab 0é"), max_size=3) | st.none()


@few
@given(values=st.lists(texts, min_size=1, max_size=9))
def test_words_are_themselves_without_spaces_around(values):
    expected = [(value or "").strip() or None for value in values]
    codes, names = coded(words(values))
    assert names == tuple(sorted({*expected} - {None}))
    assert [names[c] if c >= 0 else None for c in codes.tolist()] == expected


@pytest.mark.parametrize("odd", ["007", "1e3", "0x1", "1.5", "a", str(2**63)])
def test_one_word_makes_all_of_them_words(odd):
    assert spelled(ids(["7", odd])) == ["7", odd]


def test_numbers_that_were_written_with_a_point_are_numbers():
    found = ids(["7.0", "8."])
    assert found.words is None and found.numbers.tolist() == [7, 8]


def test_few_words_among_numbers_are_said():
    notes = Notes()
    ids([*map(str, range(20)), "x"], notes)
    assert notes.warnings == [
        "MIXED IDS: 20 different ids of id are whole numbers and 1 are not, such as 'x'. All were "
        "read as words."
    ]
    ids(["1", "2", "x"], notes)
    ids(["a", "b"], notes)
    assert len(notes.warnings) == 1


def test_numbers_and_where_there_is_one():
    column = pa.chunked_array([pa.array([1.5, None]), pa.array([float("nan"), 2])])
    numbers, present = read_numbers(column, np.float64)
    assert present.tolist() == [True, False, False, True]
    assert numbers[present].tolist() == [1.5, 2]


def rows_of(values):
    return ("rows.csv", "item", ids(values))


def test_without_a_table_the_items_are_those_of_the_rows():
    items, numbers = catalogue(None, rows_of([9, 7, None, 9]), Notes())
    assert items.ids.tolist() == [7, 9] and items.names is None
    assert numbers[[0, 1, 3]].tolist() == [9, 7, 9]
    items, numbers = catalogue(None, rows_of(["b", "a", None, "b"]), Notes())
    assert [items.names[i] for i in numbers[[0, 1, 3]]] == ["b", "a", "b"]


@pytest.mark.parametrize(
    ("of_rows", "of_items"), [([9, 7, None], [7, 8, 9]), (["b", "a", None], ["a", "c", "b"])]
)
def test_rows_find_their_items_in_the_table(of_rows, of_items):
    notes, columns = Notes(), {"kind": Categories.of(["x", "y", "z"])}
    column = words(of_items) if isinstance(of_items[0], str) else pa.chunked_array([of_items])
    items, numbers = catalogue(("items.csv", "key", column, columns), rows_of(of_rows), notes)
    names = items.names or dict(zip(items.ids.tolist(), items.ids.tolist(), strict=True))
    assert [names[n] for n in numbers[:2].tolist()] == of_rows[:2]
    assert items.rows(numbers[:2]).tolist() == [of_items.index(each) for each in of_rows[:2]]
    assert notes.facts == {"Items known, with or without rows": "3"}


def test_numbers_of_one_table_are_words_of_the_other():
    column = words(["7", "x"])
    items, numbers = catalogue(("items.csv", "key", column, {}), rows_of([7, 7]), Notes())
    assert [items.names[n] for n in numbers] == ["7", "7"]


@pytest.mark.parametrize(
    ("of_rows", "of_items", "message"),
    [
        ([7], [7, 7], "items.csv: key must hold each id once. Received: '7' 2 times"),
        (["a"], ["a", "b", "b", "b"], "Received: 'b' 3 times"),
        ([7], [7, None], "items.csv, row 2: key must be there"),
        (
            [7, 8, 9, 9],
            [7],
            "rows.csv, row 2: each item .*'7'. Received: '8', and 1 other .* 3 row",
        ),
        (["007"], ["7", "8"], "such as '7'. Received: '007', and 0 other"),
    ],
)
def test_ids_that_do_not_fit_together_are_refused(of_rows, of_items, message):
    is_text = isinstance(of_items[0], str)
    column = words(of_items) if is_text else pa.chunked_array([pa.array(of_items)])
    with pytest.raises(DataError, match=message):
        catalogue(("items.csv", "key", column, {}), rows_of(of_rows), Notes())
