"""What the bytes of a text say, against plain Python."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data import text_bytes
from tdrec.data.text_bytes import is_of_bytes, lines_in, look_at

ends = st.sampled_from(["\n", "\r\n", "\r"])


@settings(max_examples=50, deadline=None)
@given(lines=st.lists(st.sampled_from(["", "1,2", "a", ",", "x 1"]), max_size=20), end=ends)
def test_lines_that_are_not_empty_are_counted(lines, end):
    for last in (end, ""):
        text = end.join(lines) + last
        assert lines_in(text.encode()) == sum(map(bool, text.splitlines()))


pieces = st.lists(st.sampled_from([*'01-,.xa\n" ']), max_size=12).map("".join)


@settings(max_examples=100, deadline=None)
@given(text=pieces)
def test_numbers_that_begin_with_a_zero_are_found(text):
    begins = re.search(r'(?:^|[,\n"])[- ]?0[0-9xX]', text) is not None
    found = look_at(text.encode(), ",", "utf-8")
    assert found.has_zeros_first == begins
    assert found.has_quotes == ('"' in text)


@settings(max_examples=50, deadline=None)
@given(text=pieces)
def test_pieces_say_what_the_whole_says(text):
    data = text.encode()
    whole = look_at(data, ",", "utf-8"), lines_in(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_bytes, "PIECE", 4)
        assert (look_at(data, ",", "utf-8"), lines_in(data)) == whole


@pytest.mark.parametrize("text", ["0.5,10,0", "2020-01-02,a07,1:00", "10,x0,-0.5"])
def test_other_zeros_are_no_padding(text):
    assert not look_at(text.encode(), ",", "utf-8").has_zeros_first


def test_a_byte_0_is_seen():
    assert look_at(b"a\nb\nc\0\n", ",", "utf-8").has_zero_byte
    assert not look_at(b"a\nb\n", ",", "utf-8").has_zero_byte


def test_of_letters_of_two_bytes_nothing_is_said():
    assert [is_of_bytes(e) for e in ("utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-be")] == [
        *(True, True, True, False, False)
    ]
    assert look_at("a\n0".encode("utf-16"), ",", "utf-16") == (False, True, True)
