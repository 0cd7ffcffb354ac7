"""Columns of text, against Python's own csv."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.error import DataError
from tdrec.data.text_files import TextFile
from tdrec.data.text_tables import read_text


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")

    def columns(content, has_header=True, name="rows.csv", encoding="utf-8", **kinds):
        (folder / name).write_bytes(
            content if isinstance(content, bytes) else content.encode(encoding)
        )
        file = TextFile(folder / name, None, encoding)
        header = file.header()
        header = header if has_header else [str(i + 1) for i in range(len(header))]
        found = read_text(file, kinds, header, has_header)
        return {name: column.to_pylist() for name, column in found.items()}

    return columns


words = st.text(st.sampled_from('ab,;"\n é'), min_size=1, max_size=6)
rows = st.lists(st.tuples(st.integers(-5, 5), words, st.floats(-9, 9)), min_size=1, max_size=8)
FIRST = ("n", "w", "x")


def text_of(table, header=FIRST, **options):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", **options).writerows([header, *table])
    return text.getvalue()


@settings(max_examples=50, deadline=None)
@given(table=rows, end=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([0, 1]))
def test_columns_are_those_that_csv_wrote(read, table, end, quoting):
    text = text_of(table, quoting=quoting).replace("\n", end)
    found = read(text, x="number", n="id", w="word")
    numbers, names, values = (list(column) for column in zip(*table, strict=True))
    names = [name.replace("\n", end) for name in names]
    assert found == {"x": values, "n": numbers, "w": names}


IDS = {
    "whole numbers": (["1", "20", "-3"], [1, 20, -3]),
    "words": (["1", "a", "20"], ["1", "a", "20"]),
    "zeros first": (["1", "007", "7"], ["1", "007", "7"]),
    "a minus and zeros first": (["1", "-07"], ["1", "-07"]),
    "to the base of 16": (["0x1F", "31"], ["0x1F", "31"]),
    "missing": (["1", "", "3", "NA", "\\N", "<NA>"], [1, None, 3, None, None, None]),
    "larger than 64 bits": (["1", str(2**63)], ["1", str(2**63)]),
    "the largest of 64 bits": (["1", str(2**63 - 1)], [1, 2**63 - 1]),
    "points": (["1.0", "2"], ["1.0", "2"]),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_are_numbers_where_nothing_is_lost_and_else_words(read, kind):
    written, expected = IDS[kind]
    assert read(text_of(zip(written, strict=True), ["n"]).replace("\n", ",\n"), n="id")["n"] == (
        expected
    )


def test_zeros_first_are_seen_in_the_last_of_many_rows(read):
    text = "n,w\n" + "".join(f"{i},a\n" for i in range(1, 3000)) + "0007,a\n"
    assert read(text, n="id")["n"][-1] == "0007"


AUTO = {
    "numbers": (["1", "2.5", ""], [1.0, 2.5, None]),
    "words among numbers": (["1", "2.50", "a"], ["1", "2.50", "a"]),
    "truths": (["True", "FALSE", ""], ["True", "FALSE", None]),
    "dates": (["2020-01-01", "2020-01-02"], ["2020-01-01", "2020-01-02"]),
    "moments": (["2020-01-01T10:00Z", "2020-01-02T10:00Z"],) * 2,
    "clock times": (["10:00", "11:00"],) * 2,
    "nothing": (["", "NA"], [None, None]),
}


@pytest.mark.parametrize("kind", AUTO)
def test_other_columns_are_numbers_or_words_as_they_are_written(read, kind):
    written, expected = AUTO[kind]
    text = text_of([(each, "x") for each in written], ["a", "b"])
    assert read(text, a="auto")["a"] == expected


def test_empty_lines_are_no_rows(read):
    text = "\n\nn,w\n1,a\n\n2,b\n\n"
    assert read(text, n="id", w="word") == {"n": [1, 2], "w": ["a", "b"]}
    assert read("n,w\r1,a\r2,b\r", n="id")["n"] == [1, 2]


def test_a_text_without_a_header_is_all_rows(read):
    assert read("\n1,a\n2,b", has_header=False, **{"2": "word", "1": "id"}) == {
        "2": ["a", "b"],
        "1": [1, 2],
    }


@pytest.mark.parametrize("content", ["n,w\n", "n,w", "n,w\n\n\n"])
def test_a_header_alone_has_no_rows(read, content):
    assert read(content, n="id", w="word") == {"n": [], "w": []}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252"])
def test_other_encodings_and_separators_of_several_letters(read, encoding):
    text = 'n::w\n1::é\n2::a\x1f"b\n'
    found = read(text, name="rows.dat", encoding=encoding, n="id", w="word")
    assert [*map(int, found["n"])] == [1, 2] and found["w"] == ["é", 'a\x1f"b']


FAULTS = {
    "1,2\n3\n": "line 3, must have 2 fields, as the first line has. Received: 1: '3'",
    "1,2,3\n": "line 2, must have 2 fields.*Received: 3: '1 | 2 | 3'",
    "\n1,2\n\n5,x\n": "line 5: w must be a number. Received: 'x'",
    "1,1_000\n": "line 2: w must be a number. Received: '1_000'",
    "1,0x10\n": "line 2: w must be a number. Received: '0x10'",
    "1,٣\n": "line 2: w must be a number",
    '"a\nb",1\n"c",x\n': "line 4: w must be a number. Received: 'x'",
    '1,"2\n': "line 2, must be readable",
    '1,2\n"3"x,"4\n5",6\n': "line 3, must",
}


@pytest.mark.parametrize("content", FAULTS)
def test_the_line_of_a_fault_is_said(read, content):
    import re

    with pytest.raises(DataError) as error:
        read("n,w\n" + content, n="id", w="number")
    assert re.search(FAULTS[content].replace("|", r"\|"), str(error.value)), str(error.value)


def test_bytes_of_another_encoding_have_their_line(read):
    with pytest.raises(DataError, match="line 3, must be utf-8 text. Received: byte 0xe9"):
        read("n,w\n1,a\n2,é\n".encode("latin-1"), n="id", w="word")
