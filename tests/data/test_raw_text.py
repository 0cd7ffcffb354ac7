import pytest

from tdrec.data import DataError
from tdrec.data.raw_text import checked_bytes, decoded, shortened


def test_plain_text_comes_back_as_it_is():
    assert checked_bytes(b"1\t2\n", "a.txt") == b"1\t2\n"


def test_the_utf8_mark_is_cut_off():
    assert checked_bytes("\ufeffid\n".encode(), "a.txt") == b"id\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_refused_with_the_remedy(encoding):
    with pytest.raises(DataError, match=r"a\.txt must be text.*UTF-16.*iconv -f UTF-16"):
        checked_bytes("1\t2\n".encode(encoding), "a.txt")


@pytest.mark.parametrize("data", [b"", b"\n\n  \n", b"\xef\xbb\xbf", b" " * 5000])
def test_an_empty_file_is_refused(data):
    with pytest.raises(DataError, match=r"a\.txt must have at least one row"):
        checked_bytes(data, "a.txt")


def test_both_encodings():
    assert decoded("Café".encode("latin-1"), "a", "latin-1") == "Café"
    assert decoded("Café".encode(), "a", "utf-8") == "Café"


def test_latin1_files_that_were_converted_are_read_too():
    assert decoded("Café".encode(), "a", "latin-1") == "Café"


def test_what_is_not_utf8_is_refused_with_its_line():
    with pytest.raises(
        DataError, match=r"a\.csv must be UTF-8.*byte 0xe9 in line 2.*iconv -f LATIN1"
    ):
        decoded("one\nCafé\n".encode("latin-1"), "a.csv", "utf-8")


def test_long_lines_are_shortened():
    assert shortened("short\r\n") == "'short'"
    assert len(shortened("x" * 500)) == 82
    assert shortened("x" * 500).endswith("...'")
