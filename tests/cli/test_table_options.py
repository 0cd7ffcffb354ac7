"""Somebody's own table on the command line: what is wrong with it is said before any training."""

import gzip
import io
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from own_tables import csv, frame, items, with_value, write
from tdrec.cli.main import main
from tdrec.cli.table_options import read_table_flags
from tdrec.data.error import DataError
from tdrec.data.holdout import Split
from tdrec.data.table_source import TableSource

ROLES = "user=user,item=item,target=rating"
TIMED = f"{ROLES},time=time"
WEIGHTED = f"{ROLES},weight=weight"
JARGON = ("arrow", "csv parse", "traceback", "chunk", "scalar", "zlib", "snappy", "dtype", "codec")
"""Words of the engine, which say nothing to who has a table."""


@pytest.fixture
def refusal(tmp_path, monkeypatch, capsys):
    """What a command says of files that it refuses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_XLA_FLAGS", os.environ.get("TF_XLA_FLAGS", ""))
    write("out/results.jsonl", "")  # so that no process is started ahead

    def call(files, *flags, **given):
        for name, content in files.items():
            if content is None:
                (tmp_path / name).mkdir(parents=True)
            else:
                write(name, content)
        data = given.pop("data", "rows.csv")
        flag = {
            "data": data and str(tmp_path / data),
            "columns": ROLES,
            "segment_column": "country",
            "segment": "NL",
            "split": "random:0.5",
            **given,
        }
        told = [f"--{name}={value}" for name, value in flag.items() if value is not None]
        assert main("run", ["run", "--out=out", "--cache=cache", *told, *flags], "About.") == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and said.startswith("tdrec: ")
        assert not [word for word in JARGON if word in said.lower()], said
        return said.rstrip("\n")

    return call


def parquet(**columns):
    """The rows as bytes of Parquet, with columns of pyarrow's types."""
    table = pa.Table.from_pandas(frame())
    for name, values in columns.items():
        table = table.drop_columns([name]).append_column(name, values)
    found = io.BytesIO()
    pq.write_table(table, found)
    return found.getvalue()


def with_line(number, line, *further):
    """The rows as text, with another line at a place, counted from 1, and five lines later."""
    lines = csv(frame()).splitlines()
    for place, each in enumerate([line, *further]):
        lines[number - 1 + 5 * place] = each
    return "\n".join([*lines, ""])


LATIN = csv(frame(country=["Österreich", "NL"] * 100)).encode("latin-1")
GZ = gzip.compress(csv(frame()).encode())
SOUND = parquet()
A_LINE = csv(frame()).splitlines()[8]

OF_TEXT = {
    "no such column": (
        csv(frame().rename(columns={"rating": "ratings"})),
        {},
        "Did you mean 'rati",
    ),
    "a column twice": (
        csv(frame()).replace("price", "user", 1),
        {},
        "rows.csv must have the column 'user' once, not several times",
    ),
    "target of words": (
        with_value("rating", 7, "good"),
        {},
        "rows.csv, line 9: rating must be a n",
    ),
    "target with a decimal comma": (frame(rating="1,5"), {}, "line 2: rating must be a number"),
    "infinite target": (
        with_value("rating", 7, "inf"),
        {},
        "row 8: rating must be a finite number",
    ),
    "huge target": (with_value("rating", 7, "1e50"), {}, "row 8: .*Received: 1e+50"),
    "no target at all": (frame(rating=""), {}, "200 rows, of which 200 have no rating"),
    "target outside": (
        with_value("rating", 7, "9"),
        {"target_range": "1,5"},
        "row 8: rating must be within 1 to 5. Received: 9",
    ),
    "constant target": (frame(rating=3), {}, "rating must vary.*Received: 3 in each row"),
    "binary target of 2": (
        frame(),
        {"target": "binary"},
        "row 2: rating must be 0 or 1, .*Received: '3.0'.*--target=regression",
    ),
    "no user at all": (frame(user=""), {}, "of which 200 have no user"),
    "wrong separator": (frame(), {"separator": ";"}, "line 1, must have the separator ';'.*','"),
    "no separator": ("user\n1\n2\n", {}, "line 1, must have a separator.*--separator"),
    "separator that is a quote": (frame(), {"separator": '"'}, "sign that is no quote"),
    "too few fields": (with_line(9, "1,2,3"), {}, "line 9, must have 8 fields.*Received: 3"),
    "too many fields": (with_line(9, A_LINE + ",1"), {}, "line 9, must have 8 fields.*Received: 9"),
    "line of spaces": (with_line(9, "   "), {}, "line 9, must have 8 fields"),
    "quote not closed": (
        with_line(9, '1,2,3,4,1,"NL,1,train'),
        {},
        "line 9, must .*quote that is not closed",
    ),
    "quote not closed in the last field": (
        with_line(9, '1,2,3,4,1,NL,1,"train'),
        {},
        "line 9, must be readable.*quote that is not closed",
    ),
    "two quotes not closed, rows between them": (
        with_line(9, '1,2,3,4,1,"NL,1,train', '1,3,3,4,1,"NL,1,train'),
        {},
        "line 9, must be readable.*quote that is not closed",
    ),
    "Latin-1": (LATIN, {}, "line 2, must be utf-8 text.*byte 0xd6.*--encoding=latin-1"),
    "Latin-1 in the header": (
        csv(frame().rename(columns={"price": "größe"})).encode("latin-1"),
        {},
        "line 1, must be utf-8 text.*byte 0xf6",
    ),
    "UTF-16": (csv(frame()).encode("utf-16"), {}, "UTF-16.*iconv"),
    "byte 0": (with_line(190, "1,2,3,4,1,N\0L,1,train"), {}, "line 190, must be text.*byte 0"),
    "empty file": ("", {}, "rows.csv must have at least one row. Received: an empty file"),
    "empty lines": ("\n\n \n", {}, "must have at least one row. Received: empty lines"),
    "header only": ("user,item,rating,country\n", {}, "Received: a header only"),
    "header only, its line not ended": ("user,item,rating,country", {}, "Received: a header only"),
    "a comment first": ("# of May\n" + csv(frame()), {}, "line 1, must have a separator"),
    "Parquet by another name": (SOUND, {}, "looks like Parquet: name it .parquet"),
    "gzip by another name": (GZ, {}, "looks like gzip: name it .gz"),
    "unknown encoding": (frame(), {"encoding": "utf9"}, "encoding must be known.*'utf9'"),
    "no number where columns are numbered": (
        frame(),
        {"columns": "user=1,item=2,target=3", "segment_column": "6"},
        "line 1: 3 must be a number. Received: 'rating'",
    ),
    "times that are none": (
        with_value("time", 7, "yesterday"),
        {"columns": TIMED},
        "line 9: time must be a number of seconds or an ISO date. Received: 'yesterday'",
    ),
    "a date that is none": (
        with_value("time", 7, "2020-02-31", frame(time="2020-02-01")),
        {"columns": TIMED},
        "line 9: time must be .*'2020-02-31'",
    ),
    "seconds among dates": (
        with_value("time", 7, "12345", frame(time="2020-02-01")),
        {"columns": TIMED},
        "line 9: time must be .*'12345'",
    ),
    "days first": (frame(time="31/01/2020"), {"columns": TIMED}, "line 2: time must be"),
    "clock times": (frame(time="10:00:00"), {"columns": TIMED}, "line 2: time must be"),
    "true as time": (frame(time="true"), {"columns": TIMED}, "line 2: time must be .*'true'"),
    "endless time": (with_value("time", 7, "inf"), {"columns": TIMED}, "line 9: time must be"),
    "time past all numbers": (
        with_value("time", 7, str(2**64)),
        {"columns": TIMED},
        "line 9: time must be",
    ),
    "one time": (
        frame(time=5),
        {"columns": TIMED, "split": "time"},
        "at least two different timestamps",
    ),
    "cut outside": (frame(), {"columns": TIMED, "split": "time:5"}, "A cut must leave rows"),
    "negative weight": (
        with_value("weight", 7, "-1"),
        {"columns": WEIGHTED},
        "row 8: weight must be .*not negative. Received: -1",
    ),
    "weight that is too large": (
        with_value("weight", 7, "1e60"),
        {"columns": WEIGHTED},
        "row 8: weight must be a finite number of 32 bits",
    ),
    "weights of 0": (frame(weight=0), {"columns": WEIGHTED}, "weight must be above 0 in some row"),
    "weights of 0 in training": (
        frame(weight=(frame().part == "test").astype(int)),
        {"columns": WEIGHTED, "split": "column:part"},
        "Rows to train on must have a weight above 0",
    ),
    "weights of 0 in training rows of the segment": (
        frame(weight=1 - ((frame().part == "train") & (frame().country == "NL"))),
        {"columns": WEIGHTED, "split": "column:part"},
        "Received: 'NL' with 33 and 0",
    ),
    "other words as parts": (
        with_value("part", 7, "dev"),
        {"split": "column:part"},
        "row 8: part must be one of train, validation, test. Received: 'dev'",
    ),
    "a part that is missing": (with_value("part", 7, ""), {"split": "column:part"}, "row 8: part"),
    "one part only": (frame(part="train"), {"split": "column:part"}, "200 and 0 of 'rows'"),
    "one user": (frame(user=1), {"split": "user"}, "at least two users. Received: 1"),
    "one row": (frame(1), {}, "rating must vary"),
    "no time to split by": (frame(), {"split": "time"}, "needs a column of times.*--split=random"),
    "no segment in any row": (frame(country=""), {}, "'country' must name segments"),
    "segment of words in no value": (
        frame(),
        {"segment_separator": "|"},
        "The separator '|' must be in a value of 'country'",
    ),
    "numeric feature of words": (
        frame(),
        {"features": "part:numeric"},
        "line 2: part must be a number. Received: 'train'",
    ),
    "infinite feature": (
        with_value("price", 7, "inf"),
        {"features": "price"},
        "row 8: price must be a finite number of 32 bits. Received: inf",
    ),
    "feature called as an id": (
        csv(frame()).replace("user", "member", 1).replace("price", "user", 1),
        {"columns": "user=member,item=item,target=rating", "features": "user"},
        "A column must not be called as the user's id is",
    ),
}


@pytest.mark.parametrize("kind", OF_TEXT)
def test_wrong_tables_of_text_are_refused_in_one_line(refusal, kind):
    content, flags, pattern = OF_TEXT[kind]
    assert_says(refusal({"rows.csv": content}, **flags), pattern)


def assert_says(said, pattern):
    """The pieces of the pattern in their order."""
    place = 0
    for piece in pattern.split(".*"):
        assert piece in said[place:], f"{piece!r} in {said!r}"
        place = said.index(piece, place) + len(piece)


PAIR = pa.array([["NL"], ["BE"]] * 100)
OF_PARQUET = {
    "cut": (SOUND[: len(SOUND) // 2], {}, "rows.parquet must be a sound Parquet file"),
    "damaged": (SOUND[:200] + b"\xff" * 300 + SOUND[500:], {}, "must be a sound Parquet file"),
    "empty": (b"", {}, "must be a sound Parquet file"),
    "text": (csv(frame()).encode(), {}, "must be a sound Parquet file"),
    "without rows": (frame(0), {}, "must have at least one row"),
    "lists as segments": (parquet(country=PAIR), {}, "country must have one value.*lists.*'a|b'"),
    "lists as ids": (parquet(user=PAIR), {}, "user must have one value in each row"),
    "mappings as a feature": (
        parquet(price=pa.array([{"a": 1}] * 200)),
        {"features": "price"},
        "price must have one value in each row. Received: mappings",
    ),
    "true as a number": (
        parquet(rating=pa.array([True, False] * 100)),
        {},
        "row 1: rating must be a number. Received: 'True'",
    ),
    "words as a number": (
        parquet(rating=pa.array(["1", "x"] * 100)),
        {},
        "row 2: rating must be a number. Received: 'x'",
    ),
    "dates as a number": (
        parquet(rating=pa.array(range(200), pa.timestamp("s"))),
        {},
        "row 1: rating must be a number",
    ),
    "halves as ids": (
        parquet(user=pa.array([1.0, 2.5] * 100)),
        {},
        "row 2: user must be a whole number or a word. Received: '2.5'",
    ),
    "endless ids": (parquet(user=pa.array([1.0, float("inf")] * 100)), {}, "row 2: user must be"),
    "bytes that are no text": (parquet(user=pa.array([b"\xff"] * 200)), {}, "user must hold"),
    "lists as times": (
        parquet(time=pa.array([[1]] * 200)),
        {"columns": TIMED},
        "time must have one",
    ),
    "spans as times": (
        parquet(time=pa.array([3] * 200, pa.duration("s"))),
        {"columns": TIMED},
        "row 1: time must be a number of seconds or an ISO date",
    ),
    "words as times": (
        parquet(time=pa.array(["100", "soon"] * 100)),
        {"columns": TIMED},
        "row 2: time must be .*'soon'",
    ),
    "times past all numbers": (
        parquet(time=pa.array([1, 2**63 + 1] * 100, pa.uint64())),
        {"columns": TIMED},
        "row 2: time must be",
    ),
    "nothing as target": (parquet(rating=pa.nulls(200)), {}, "of which 200 have no rating"),
    "nothing as times": (parquet(time=pa.nulls(200)), {"columns": TIMED}, "have no time"),
    "with a separator": (SOUND, {"separator": ";"}, "A separator is of text"),
}


@pytest.mark.parametrize("kind", OF_PARQUET)
def test_wrong_tables_of_parquet_are_refused_in_one_line(refusal, kind):
    content, flags, pattern = OF_PARQUET[kind]
    assert_says(refusal({"rows.parquet": content}, data="rows.parquet", **flags), pattern)


NO_COUNTRY = frame().drop(columns="country")
OF_FILES = {
    "path": ({}, {"data": "none.csv"}, "A table must exist"),
    "suffix": ({"rows.xlsx": "PK"}, {"data": "rows.xlsx"}, "must be a file of .csv"),
    "cut gzip": ({"a.csv.gz": GZ[:300]}, {"data": "a.csv.gz"}, "a.csv.gz must be readable"),
    "damaged gzip": (
        {"a.csv.gz": GZ[:300] + b"\0\1\2\3" + GZ[304:]},
        {"data": "a.csv.gz"},
        "a.csv.gz must be readable",
    ),
    "no gzip": ({"a.csv.gz": b"user,item\n1,2\n"}, {"data": "a.csv.gz"}, "must be readable"),
    "empty folder": ({"f": None}, {"data": "f"}, "parts of one kind.*no files"),
    "mixed folder": (
        {"f/a.csv": frame(), "f/b.parquet": frame()},
        {"data": "f"},
        "parts of one kind.*parquet, text",
    ),
    "folder with other files": (
        {"f/a.csv": frame(), "f/readme.md": "x"},
        {"data": "f"},
        "or a folder of them alone.*readme.md",
    ),
    "part without a column": (
        {"f/a.csv": frame(), "f/b.csv": NO_COUNTRY},
        {"data": "f"},
        "b.csv must have the column 'country' in its header",
    ),
    "empty part": ({"f/a.csv": frame(), "f/b.csv": ""}, {"data": "f"}, "b.csv must have at least"),
    "parts of headers": (
        {"f/a.csv": "user,item,rating,country\n", "f/b.csv": "user,item,rating,country"},
        {"data": "f"},
        "must have at least one row",
    ),
    "broken line of dat": (
        {"a.dat": csv(frame()).replace(",", "::") + "1::2\n"},
        {"data": "a.dat"},
        "a.dat, line 202, must have 8 fields",
    ),
}


@pytest.mark.parametrize("kind", OF_FILES)
def test_wrong_files_and_folders_are_refused_in_one_line(refusal, kind):
    files, flags, pattern = OF_FILES[kind]
    assert_says(refusal(files, **flags), pattern)


OF_ITEMS = {
    "an item that is not there": (
        {"rows.csv": with_value("item", 5, "99"), "items.csv": items()},
        {},
        "rows.csv, row 6: each item must be in items.csv, whose ids are such as '1'.*'99'",
    ),
    "an item twice": (
        {"items.csv": csv(items()) + "3,new\n"},
        {},
        "items.csv: item must hold each id once. Received: '3' 2 times",
    ),
    "an item without an id": (
        {"items.csv": csv(items()) + ",new\n"},
        {},
        "items.csv, row 13: item",
    ),
    "another name": (
        {"items.csv": items().rename(columns={"item": "item_id"})},
        {},
        "items.csv must have the column 'item'.*Did you mean 'item_id'?",
    ),
    "words beside numbers": ({"items.csv": items(item=list("abcdefghijkl"))}, {}, "such as 'a'"),
    "padded beside numbers": (
        {"items.csv": items(item=[f"{each:03}" for each in range(1, 13)])},
        {},
        "such as '001'",
    ),
    "a column of both": (
        {"rows.csv": frame(kind="x")},
        {},
        "A column must be in one of the tables",
    ),
    "no rows": ({"items.csv": "item,kind\n"}, {}, "items.csv must have at least one row"),
    "no file": ({}, {"items": "itmes.csv"}, "A table must exist"),
    "its id as a feature": (
        {"items.csv": items().rename(columns={"item": "key"})},
        {"item_columns": "item=key", "features": "key"},
        "'key', which is the item's id",
    ),
    "an infinite number": (
        {"items.csv": items(cost=["inf"] * 12)},
        {"features": "cost"},
        "items.csv, row 1: cost must be a finite number",
    ),
}


@pytest.mark.parametrize("kind", OF_ITEMS)
def test_wrong_tables_of_items_are_refused_in_one_line(refusal, tmp_path, kind):
    files, flags, pattern = OF_ITEMS[kind]
    flags = {"items": "items.csv", **flags, "segment_column": "kind", "segment": "new"}
    flags["items"] = str(tmp_path / flags["items"])
    said = refusal({"rows.csv": frame(), "items.csv": items(), **files}, **flags)
    assert_says(said.replace(f"{tmp_path}/", ""), pattern)


TOML = 'rows = "rows.csv"\nuser = "user"\nitem = "item"\ntarget = "rating"\nsegment = "country"\n'
OF_FLAGS = {
    "no data": ({"data": None}, "--columns is of a table of your own. Received: no --data"),
    "no columns": ({"columns": None}, "--segment_column is of a table of your own"),
    "no segments": ({"segment_column": None}, "needs a column of segments"),
    "no roles": (
        {"columns": "user,item,rating"},
        "a list of role=COLUMN.*'user'. Write user=COLUMN",
    ),
    "unknown role": ({"columns": f"{ROLES},tiem=t"}, "Received: 'tiem=t'. Did you mean 'time'?"),
    "a role twice": ({"columns": f"{ROLES},user=part"}, "'user=part'. Name it once"),
    "a comma in a name": ({"columns": "user=a, b,item=i,target=t"}, "--data=FILE.toml"),
    "no target": ({"columns": "user=user,item=item"}, "Received: no target"),
    "two roles of a column": ({"columns": f"{ROLES},weight=item"}, "as item and weight"),
    "target as segment": ({"segment_column": "rating"}, "must be known before the target is"),
    "no such segment": ({"segment": "NLD"}, "Did you mean 'NL'?"),
    "too few rows of each": ({"segment": "top8"}, "with more than 500 evaluation rows"),
    "too small a segment": ({"segment_column": "user", "segment": "3"}, "called as the user's id"),
    "target as feature": ({"features": "rating"}, "'rating', which is the target"),
    "split as feature": ({"features": "part", "split": "column:part"}, "which is the split"),
    "unknown kind": ({"features": "price:nmeric"}, "price:nmeric. Did you mean 'numeric'?"),
    "no such feature": ({"features": "prize"}, "'prize' must be in.*Did you mean 'price'?"),
    "a feature twice": ({"features": "price,price"}, "must be named once. Received: 'price'"),
    "segments as text": ({"features": "country:text"}, "'country' as text. Leave it out"),
    "segments as numbers": ({"features": "country:numeric"}, "'country' as numeric"),
    "half a range": ({"target_range": "1"}, "--target_range must be two numbers"),
    "a range of words": ({"target_range": "a,b"}, "--target_range must be two numbers"),
    "a range that falls": ({"target_range": "5,1"}, "Received: 5,1"),
    "an endless range": ({"target_range": "1,inf"}, "Received: 1,inf"),
    "a range of 0 and 1": ({"target": "binary", "target_range": "0,1"}, "Leave out the range"),
    "no share": ({"split": "random:0"}, "between 0 and 1, both excluded. Received: 0"),
    "unknown split": ({"split": "rndom"}, "A split is time.*'rndom'. Did you mean 'random'?"),
    "a cut of a broken second": ({"split": "time:1.5"}, "between 0 and 1"),
    "no such part": ({"split": "column:prat"}, "'prat' in its header.*Did you mean 'part'?"),
    "target as parts": ({"split": "column:rating"}, "'rating' as target and split"),
    "columns of no items": ({"item_columns": "item=key"}, "need a table of items"),
    "no letter between": ({"segment_separator": ""}, "A separator must have a letter"),
    "features nobody reads": (
        {"student_features": "prize"},
        "--student_features must be of country",
    ),
    "TOML that is not there": ({"data": "x.toml"}, "x.toml must be readable TOML"),
}


@pytest.mark.parametrize("kind", OF_FLAGS)
def test_wrong_flags_are_refused_in_one_line(refusal, kind):
    flags, pattern = OF_FLAGS[kind]
    assert_says(refusal({"rows.csv": frame()}, **flags), pattern)


OF_TOML = {
    "broken": ("x =", "x.toml must be TOML"),
    "unknown field": ('sgment = "x"', "'sgment'. Did you mean 'segment'?"),
    "wrong type": ("time = 3", "x.toml: time must be a string. Received: 3"),
    "features as a list": ('features = ["price"]', "features must be a table of kinds"),
    "range as text": ('scale = "1,5"', "scale must be two numbers"),
    "range past all numbers": (f"scale = [1, 1{'0' * 400}]", "scale must be two numbers"),
    "split": ('split = "rndom"', "x.toml: A split is time"),
    "kind": ('kind = "binry"', "Did you mean 'binary'?"),
    "bytes": (b'name = "\xff"', "x.toml must be readable TOML"),
}


@pytest.mark.parametrize("kind", OF_TOML)
def test_wrong_toml_is_refused_in_one_line(refusal, kind):
    line, pattern = OF_TOML[kind]
    data = TOML.encode() + (line if isinstance(line, bytes) else line.encode()) + b"\n"
    said = refusal({"x.toml": data}, data="x.toml", columns=None, segment_column=None)
    assert_says(said, pattern)


def test_toml_without_a_field_is_refused(refusal):
    text = TOML.replace('user = "user"\n', "")
    said = refusal({"x.toml": text}, data="x.toml", columns=None, segment_column=None)
    assert_says(said, "x.toml must name rows, user, item, target, segment. Received: no user")


def test_flags_become_a_source():
    found = read_table_flags(
        {
            "data": "a.csv",
            "columns": "user=u, item=i,target=y,time=t",
            "items": "b.csv",
            "item_columns": "item=key",
            "segment_column": "kind",
            "segment_separator": r"\t",
            "features": "price, name:text,a:b:numeric,size:auto",
            "target_range": "1,5",
            "separator": "|",
            "encoding": "latin-1",
            "split": "random:0.8:7",
        }
    )
    features = (("price", None), ("name", "text"), ("a:b", "numeric"), ("size", None))
    columns = {"user": "u", "item": "i", "target": "y", "time": "t", "item_id": "key"}
    further = {"separator": "|", "encoding": "latin-1", "scale": (1.0, 5.0), "items": "b.csv"}
    assert found == TableSource(
        "a.csv",
        **{**columns, **further},
        segment="kind",
        segment_separator="\t",
        features=features,
        split=Split("random", 0.8, seed=7),
    )


def test_flags_change_what_toml_says(tmp_path):
    file = write(tmp_path / "x.toml", TOML)
    found = read_table_flags({"data": file, "features": "price", "split": "random"})
    rows = str(tmp_path / "rows.csv")
    expected = TableSource(rows, "user", "item", "rating", "country", features=(("price", None),))
    assert found == expected.changed(split=Split("random"))


def test_other_data_are_no_table():
    assert read_table_flags({"data": "ml-100k.zip", "split": "time"}) is None
    with pytest.raises(DataError, match="--encoding is of a table of your own"):
        read_table_flags({"data": "ml-100k.zip", "encoding": "latin-1"})


def test_names_with_commas_quotes_and_line_ends_are_read_from_toml(tmp_path, monkeypatch):
    from tdrec.cli.options import read_options
    from tdrec.cli.plans import Request

    names = {"user": 'the user, "who"', "country": "das Land /\ngröße", "price": "a\tb"}
    write(tmp_path / "rows.csv", frame().rename(columns=names))
    columns = {"item": "item", "target": "rating", "segment": names["country"]}
    source = TableSource("rows.csv", names["user"], **columns, features=((names["price"], None),))
    file = write(tmp_path / "x.toml", source.to_toml())
    monkeypatch.chdir(tmp_path)
    flags = [f"--data={file}", "--segment=NL", "--split=random:0.5"]
    plan = Request(read_options("run", ["run", *flags])).plan()
    (data,) = {data.sha256: data for data in plan.data.values()}.values()
    assert data.n_train + data.n_test == len(pd.read_csv("rows.csv"))
    assert data.facts["Features"].startswith("das Land / größe (categorical, 2 values)")
