"""Columns of text, against plain Python."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.text_columns import parsed

words = st.text("abcé ", min_size=1, max_size=5)


@pytest.mark.parametrize("separator", [",", "\t", "::", "|||"])
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 99), words), min_size=1, max_size=9))
def test_fields_are_what_stands_between_separators(rows, separator):
    text = "".join(f"{number}{separator}{word}\n" for number, word in rows)
    types = {"n": pa.int64(), "w": pa.string()}
    found = parsed(text.encode(), ["n", "w"], types, separator)
    assert list(zip(*(found[name].to_pylist() for name in "nw"), strict=True)) == rows


def test_columns_that_are_not_wanted_may_hold_anything():
    found = parsed(b"a,b,c\nx,2,3\n", ["a", "b", "c"], {}, ",", wanted=["c", "b"], skip=1)
    assert found.to_pydict() == {"c": [3], "b": [2]}


@pytest.mark.parametrize(
    ("text", "separator"),
    [("1,2\n3\n", ","), ("1::2\n1:x:2\n", "::"), ("1,2\nx,2\n", ","), ("1,2,3\n", ",")],
)
def test_a_line_of_another_form_is_refused(text, separator):
    with pytest.raises(pa.ArrowInvalid):
        parsed(text.encode(), ["a", "b"], {"a": pa.int64()}, separator)


def test_quotes_and_what_is_missing_are_as_they_are_said_to_be():
    text = b'"a,b"\n""\nNA\n'
    assert parsed(text, ["w"], {}, ",", quotes=True, missing=["NA"])["w"].to_pylist() == [
        *("a,b", "", None)
    ]
    with pytest.raises(pa.ArrowInvalid):
        parsed(text, ["w"], {}, ",")
