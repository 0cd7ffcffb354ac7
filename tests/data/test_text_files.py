"""Files of text as records, against Python's own csv."""

import csv
import gzip
import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.error import DataError
from tdrec.data.text_files import TextFile


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")

    def write(content, name="rows.csv", separator=None, encoding="utf-8"):
        data = content if isinstance(content, bytes) else content.encode(encoding)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return TextFile(folder / name, separator, encoding)

    return write


fields = st.text(st.sampled_from('ab,;"\n é'), max_size=6)
tables = st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(table=tables, end=st.sampled_from(["\n", "\r\n"]), blank=st.integers(0, 2))
def test_records_are_those_of_csv_with_their_lines(file, table, end, blank):
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows([("x", "y", "z"), *table])
    found = list(file(end * blank + text.getvalue()).records())
    assert [tuple(each.fields) for each in found] == [("x", "y", "z"), *table]
    lines = (end * blank + text.getvalue()).splitlines()
    assert found[0].first == blank + 1 and found[-1].last == len(lines)
    for before, after in pairwise(found):
        assert before.first <= before.last == after.first - 1


@pytest.mark.parametrize(
    ("line", "name", "between"),
    [
        ("a,b", "rows.csv", ","),
        ("a;b", "rows.csv", ";"),
        ("a, in EUR;b;c", "rows.csv", ";"),
        ("a,b;c", "rows.csv", ","),
        ("a\tb,c", "rows.tsv", "\t"),
        ("a,b,c\td", "rows.tsv", ","),
        ("a::b", "rows.dat", "::"),
        ("a|b", "rows.txt", "|"),
        ("a\tb", "rows.txt.gz", "\t"),
    ],
)
def test_the_separator_is_found(file, line, name, between):
    assert file(f"{line}\n1\n", name).between == between


def test_a_separator_of_any_letter_may_be_named(file):
    for separator in ("§", "::", "~", " ", "->"):
        found = file(f"a{separator}b\n1{separator}2\n", "rows.txt", separator)
        assert [each.fields for each in found.records()] == [["a", "b"], ["1", "2"]]
        assert found.is_long == (separator in ("§", "::", "->"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le"])
def test_each_encoding_is_read(file, encoding):
    found = file("größe,b\né,2\n", encoding=encoding)
    assert found.header() == ["größe", "b"] and next(found.rows(True)).fields == ["é", "2"]
    assert found.undecodable() is None


def test_names_of_columns_may_have_line_ends_and_lose_their_spaces(file):
    found = file('\nx,"a\nb", d \n1,2,3\n')
    assert found.header() == ["x", "a\nb", "d"]
    assert (found.head.first, found.head.last) == (2, 3)
    assert [each.first for each in found.rows(True)] == [4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must have at least one row. Received: an empty file"),
        (b"\n \n", "must have at least one row"),
        (b"PAR1\0\0", "looks like Parquet: name it .parquet"),
        (b"\x1f\x8b\x08", "looks like gzip: name it .gz"),
        (b"PK\3\4", "spreadsheet"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (b"\xff,b\n1,2\n", "line 1, must be utf-8 text. Received: byte 0xff"),
        (b"a\n1\n", "line 1, must have a separator between its columns. Received: 'a'"),
        (b"\n\na\n1\n", "line 3, must have a separator"),
    ],
)
def test_what_is_no_table_of_text_is_refused(file, content, message):
    with pytest.raises(DataError, match=message):
        file(content).header()


def test_a_quote_that_is_not_closed_is_found_where_it_opens(file):
    found = file('a,b\n1,"2\n3,4\n')
    assert len(list(found.records())) == 2
    with pytest.raises(DataError, match="line 2, must be readable.*quote that is not closed"):
        list(found.records(strict=True))


def test_no_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="a.csv must be readable. Received: no such file"):
        TextFile(tmp_path / "a.csv").header()
