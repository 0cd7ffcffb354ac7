"""What the bytes of a text say, against plain Python."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.text_bytes import is_of_bytes, look_at

ends = st.sampled_from(["\n", "\r\n", "\r"])


@settings(max_examples=50, deadline=None)
@given(lines=st.lists(st.sampled_from(["", "1,2", "a", ",", "x 1"]), max_size=20), end=ends)
def test_lines_that_are_not_empty_are_counted(lines, end):
    for last in (end, ""):
        text = end.join(lines) + last
        found = look_at(io.BytesIO(text.encode()), ",", "utf-8")
        assert max(found.lines, 1) == max(sum(map(bool, text.splitlines())), 1)


pieces = st.lists(st.sampled_from([*'01-,.xa\n" ']), max_size=12).map("".join)


@settings(max_examples=100, deadline=None)
@given(text=pieces)
def test_numbers_that_begin_with_a_zero_are_found(text):
    begins = re.search(r'(?:^|[,\n"])[- ]?0[0-9xX]', text) is not None
    assert look_at(io.BytesIO(text.encode()), ",", "utf-8").has_zeros_first == begins


class Pieces(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def read(self, size=-1):
        return super().read(2)


@settings(max_examples=50, deadline=None)
@given(text=pieces)
def test_pieces_say_what_the_whole_says(text):
    found = [look_at(of(text.encode()), ",", "utf-8") for of in (Pieces, io.BytesIO)]
    assert found[0] == found[1]


@pytest.mark.parametrize("text", ["0.5,10,0", "2020-01-02,a07,1:00", "10,x0,-0.5"])
def test_other_zeros_are_no_padding(text):
    assert not look_at(io.BytesIO(text.encode()), ",", "utf-8").has_zeros_first


def test_a_byte_0_has_its_line():
    assert look_at(io.BytesIO(b"a\nb\nc\0\n"), ",", "utf-8").zero_in == 3
    assert look_at(io.BytesIO(b"a\nb\n"), ",", "utf-8").zero_in is None


def test_of_letters_of_two_bytes_nothing_is_said():
    assert [is_of_bytes(e) for e in ("utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-be")] == [
        *(True, True, True, False, False)
    ]
    found = look_at(io.BytesIO("a\n0".encode("utf-16")), ",", "utf-16")
    assert (found.lines, found.has_zeros_first, found.zero_in) == (-1, True, None)
