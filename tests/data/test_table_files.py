"""One table in files of all kinds."""

import pytest

from own_tables import csv, frame, write
from tdrec.data.error import DataError
from tdrec.data.table_files import TableFiles

KINDS = {"user": "id", "country": "word", "rating": "number", "time": "time", "price": "auto"}


def values(path, **options):
    found = TableFiles(str(path), **options).read(KINDS)
    return {name: column.to_pylist() for name, column in found.items()}


EXPECTED = {name: frame()[name].tolist() for name in KINDS}


@pytest.mark.parametrize(
    "name", ["a.csv", "A.CSV", "a.tsv", "a.dat", "a.csv.gz", "a.dat.gz", "a.parquet", "a.pq"]
)
def test_each_kind_of_file_has_the_same_columns(tmp_path, name):
    path = write(tmp_path / name, frame())
    assert values(path) == EXPECTED
    assert TableFiles(path).header() == list(frame())


@pytest.mark.parametrize("suffix", ["csv", "tsv.gz", "dat", "parquet"])
def test_a_folder_of_parts_is_one_table(tmp_path, suffix):
    table = frame()
    parts = {
        f"part-1.{suffix}": table[:50],
        f"part-2.{suffix}": table[50:50],  # as Spark writes them
        f"part-3.{suffix}": table[50:120][table.columns[::-1]],
        f"sub/part-4.{suffix}": table[120:].assign(more=1),
    }
    for name, part in parts.items():
        write(tmp_path / "rows" / name, part)
    for name in ("_SUCCESS", ".part-1.crc", "_temporary/part-9.csv"):
        write(tmp_path / "rows" / name, "x")
    assert values(tmp_path / "rows") == EXPECTED
    assert [file.name for file in TableFiles(str(tmp_path / "rows")).files] == [
        name.split("/")[-1] for name in parts
    ]


def test_what_is_number_in_one_part_and_word_in_another_is_a_word_as_it_is_written(tmp_path):
    write(tmp_path / "rows/a.csv", "x,id\n1.50,7\n2,8\n")
    write(tmp_path / "rows/b.csv", "x,id\na,z\n")
    found = TableFiles(str(tmp_path / "rows")).read({"x": "auto", "id": "id"})
    assert found["x"].to_pylist() == ["1.50", "2", "a"]
    assert found["id"].to_pylist() == ["7", "8", "z"]


def test_a_part_of_nothing_changes_no_type(tmp_path):
    for suffix in ("csv", "parquet"):
        table = frame()[["user", "price"]]
        write(tmp_path / suffix / f"a.{suffix}", table.assign(price=None))
        write(tmp_path / suffix / f"b.{suffix}", table)
        found = TableFiles(str(tmp_path / suffix)).read({"user": "id", "price": "auto"})
        assert found["price"].to_pylist() == [None] * 200 + table["price"].tolist()


def test_columns_of_a_text_without_a_header_have_numbers(tmp_path):
    path = write(tmp_path / "a.csv", csv(frame(), header=False))
    found = TableFiles(path).read({"3": "number", "1": "id"})
    assert found["1"].to_pylist() == EXPECTED["user"]
    assert found["3"].to_pylist() == EXPECTED["rating"]
    with pytest.raises(DataError, match="must have the column '9' in its header"):
        TableFiles(path).read({"9": "id"})


def test_a_header_of_numbers_is_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "1,2,3\n7,8,9\n")
    assert TableFiles(path).read({"2": "id"})["2"].to_pylist() == [8]
    with pytest.raises(DataError, match="must have the column '2' in its header"):
        TableFiles(write(tmp_path / "a.parquet", frame())).read({"2": "id"})


def test_separator_and_encoding_are_used(tmp_path):
    path = write(tmp_path / "a.txt", "größe~b\né~2\n".encode("latin-1"))
    files = TableFiles(path, "~", "latin-1")
    assert files.header() == ["größe", "b"]
    assert files.read({"größe": "word"})["größe"].to_pylist() == ["é"]


@pytest.mark.parametrize(
    ("files", "name", "message"),
    [
        ({}, "none.csv", "A table must exist"),
        ({"a.xlsx": ""}, "a.xlsx", "must be a file of .csv"),
        ({"f/a.csv": "a,b\n1,2\n", "f/b.pq": frame()}, "f", "one kind.*parquet, text"),
        ({"f/_a.csv": "a,b\n1,2\n"}, "f", "with no files"),
        ({"f/a.csv": "user,x\n1,2\n", "f/b.csv": "y,x\n1,2\n"}, "f", "b.csv must have the col"),
        ({"f/a.csv": "user,x\n", "f/b.csv": "user,x\n"}, "f", "at least one row"),
        ({"a.csv": "user,user\n1,2\n"}, "a.csv", "once, not several times"),
    ],
)
def test_wrong_files_are_refused(tmp_path, files, name, message):
    for file, content in files.items():
        write(tmp_path / file, content)
    with pytest.raises(DataError, match=message):
        TableFiles(str(tmp_path / name)).read({"user": "id"})
