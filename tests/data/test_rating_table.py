import dataclasses
import io

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tdrec.data import DataError, rating_table
from tdrec.data.rating_table import CSV_HEADER, RatingTable

MOVIES = np.array([1, 2, 30])
TABS = RatingTable("u.data", "\t", False, (1.0, 5.0))
COLONS = RatingTable("ratings.dat", "::", False, (1.0, 5.0))
COMMAS = RatingTable("ratings.csv", ",", True, (0.5, 5.0))
TABLES = [TABS, COLONS, COMMAS]


def read(table, data):
    return table.read(io.BytesIO(data), MOVIES)


def text_of(table, rows, end="\n"):
    lines = [table.separator.join(map(str, row)) for row in rows]
    return end.join([CSV_HEADER, *lines] if table.has_header else lines).encode() + end.encode()


rows = st.lists(
    st.tuples(
        st.integers(1, 10**9),
        st.sampled_from(MOVIES.tolist()),
        st.sampled_from([1, 2, 3.5, 5]),
        st.integers(0, 2**40),
    ),
    min_size=1,
    max_size=20,
)


@pytest.mark.parametrize("table", TABLES)
@given(rows=rows, end=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_what_is_written_is_read(table, rows, end):
    columns = read(table, text_of(table, rows, end))
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == rows


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("1", "2", "3"), "a line has 4 fields separated by .*, this one 3"),
        (("1", "2", "3", "4", "5"), "a line has 4 fields separated by .*, this one 5"),
        (("", "2", "3", "4"), "the user id must be a positive whole number"),
        (("x", "2", "3", "4"), "the user id must be a positive whole number"),
        (("1.5", "2", "3", "4"), "the user id must be a positive whole number"),
        (("0", "2", "3", "4"), "the user id must be a positive whole number"),
        (("99999999999999999999", "2", "3", "4"), "the user id must be a positive whole number"),
        (("1", "-2", "3", "4"), "the movie id must be a positive whole number"),
        (("1", "2", "good", "4"), "the rating must be a plain number"),
        (("1", "2", "", "4"), "the rating must be a plain number"),
        (("1", "2", "nan", "4"), "the rating must be a plain number"),
        (("1", "2", "inf", "4"), "the rating must be a plain number"),
        (("1", "2", "5.5", "4"), "the rating must be within the scale .* to 5, not 5.5"),
        (("1", "2", "0", "4"), "the rating must be within the scale .*, not 0"),
        (("1", "2", "3", "4.5"), "the timestamp must be a whole number of seconds"),
        (("1", "2", "3", "4.0"), "the timestamp must be a whole number of seconds"),
        (("1", "2", "3", "-4"), "the timestamp must be a whole number of seconds"),
        (("1", "2", "3", "1998-04-01"), "the timestamp must be a whole number of seconds"),
        (("1", "2", "3", ""), "the timestamp must be a whole number of seconds"),
        (("1", "7", "3", "4"), "the movie id must be in the file of movies, and 7 is not"),
        (('"1"', "2", "3", "4"), "the user id must be a positive whole number"),
    ],
)
def test_a_bad_line_is_named_and_quoted(table, line, message):
    # First, in the middle and last; a blank line before it counts as a line.
    good = (1, 2, 3, 100)
    for before, after in ([0, 2], [2, 2], [2, 0]):
        data = text_of(table, [good] * before + [("",)] + [line] + [good] * after)
        number = before + 2 + table.has_header
        quoted = repr(table.separator.join(line))
        with pytest.raises(DataError, match=f"{table.file}, line {number}: {message}") as caught:
            read(table, data)
        assert quoted in str(caught.value)


@pytest.mark.parametrize("table", TABLES)
@given(fields=st.lists(st.text('0123456789.,:+-eEx_"\t #', max_size=6), min_size=3, max_size=5))
def test_the_fast_reader_takes_no_line_that_the_rules_refuse(table, fields):
    line = table.separator.join(fields)
    assume(line.strip())
    data = text_of(table, [(1, 2, 3, 100)]) + line.encode() + b"\n"
    if table._fault_of(line, set(MOVIES.tolist())):
        with pytest.raises(DataError, match=f"line {2 + table.has_header}: "):
            read(table, data)
    else:
        assert read(table, data).user_ids.size == 2


def test_the_first_of_several_bad_lines_is_named():
    with pytest.raises(DataError, match=r"line 2: the timestamp"):
        read(TABS, b"1\t2\t3\t4\n1\t2\t3\tx\n1\t2\t9\t4\n")


def test_long_lines_are_shortened():
    with pytest.raises(DataError) as caught:
        read(TABS, b"1\t2\t3\t" + b"9" * 1000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "header", ["user,movie,rating,timestamp", "1,2,3.5,100", CSV_HEADER + ",x"]
)
def test_another_header_is_refused(header):
    with pytest.raises(DataError, match=r"ratings\.csv, line 1, must be the header 'userId"):
        read(COMMAS, f"{header}\n1,2,3.5,100\n".encode())


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_header_alone_is_refused(end):
    with pytest.raises(DataError, match=r"ratings\.csv must have at least one row"):
        read(COMMAS, (CSV_HEADER + end).encode())


@pytest.mark.parametrize("table", TABLES)
def test_empty_files_and_utf16_are_refused(table):
    with pytest.raises(DataError, match=r"at least one row"):
        read(table, b"")
    with pytest.raises(DataError, match=r"UTF-16"):
        read(table, text_of(table, [(1, 2, 3, 4)]).decode().encode("utf-16"))


def test_another_separator_is_refused():
    with pytest.raises(
        DataError, match=r"line 1: a line has 4 fields separated by '::', this one 1"
    ):
        read(COLONS, b"1,2,3,4\n")


def test_half_stars_need_their_scale():
    data = text_of(COMMAS, [(1, 2, 0.5, 4)])
    assert read(COMMAS, data).values.tolist() == [0.5]
    with pytest.raises(DataError, match=r"within the scale 1 to 5, not 0.5"):
        read(dataclasses.replace(COMMAS, scale=(1.0, 5.0)), data)


@pytest.mark.parametrize("table", TABLES)
def test_hexadecimal_numbers_are_refused_and_other_spellings_are_read(table):
    with pytest.raises(DataError, match="the user id must be a positive whole number"):
        read(table, text_of(table, [("0x1f", 2, 3, 4)]))
    spelled = [("+1", " 2", "3e0", "007"), (1, "2 ", ".35e1", 7)]
    columns = read(table, text_of(table, spelled))
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (1, 2, 3.0, 7),
        (1, 2, 3.5, 7),
    ]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n" * 300])
def test_a_file_of_many_pieces_is_read_as_one(table, end, monkeypatch):
    monkeypatch.setattr(rating_table, "PIECE", 64)
    many = [(user, user % 2 + 1, 3.5, user**3) for user in range(1, 200)]
    columns = read(table, text_of(table, many, end))
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == many
    assert not any(column.flags.writeable for column in columns)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("start", ["\ufeff", "0x", "7", "-", "."])
def test_a_bad_line_of_any_piece_is_named(table, start, monkeypatch):
    monkeypatch.setattr(rating_table, "PIECE", 64)
    separator = table.separator
    for bad in range(30):  # a piece starts at some of them
        lines = [separator.join(("1", "2", "3", str(second))) for second in range(100, 130)]
        user, movie = (start + "1", "2") if start != "7" else ("1", start)
        lines[bad] = separator.join((user, movie, "3", "100"))
        if bad == 0 and start == "\ufeff" and not table.has_header:
            continue  # the mark of the file
        data = "\n".join([CSV_HEADER, *lines] if table.has_header else lines).encode()
        with pytest.raises(DataError, match=rf"line {bad + 1 + table.has_header}: the \w+ id must"):
            read(table, data)
