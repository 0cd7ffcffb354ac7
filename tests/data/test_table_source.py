"""What columns mean, as plain data and as TOML."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.error import DataError
from tdrec.data.holdout import Split
from tdrec.data.table_source import ROLES, TableSource, features_of, read_toml, roles_of

SOURCE = TableSource("clicks.csv", "user", "item", "clicked", "country")
letters = st.characters(codec="utf-8")
names = st.text(letters, min_size=1, max_size=8).filter(str.strip)
splits = st.sampled_from(["time", "time:0.8", "time:-5", "random:0.5:3", "user", "column:part x"])


@st.composite
def sources(draw):
    columns = draw(st.lists(names, min_size=9, max_size=9, unique=True))
    kinds = st.sampled_from([None, "categorical", "text", "numeric"])
    features = tuple((name, draw(kinds)) for name in columns[7 : 7 + draw(st.integers(0, 2))])
    binary = draw(st.booleans())
    numbers = st.floats(-1e30, 1e30)
    scale = tuple(sorted(draw(st.tuples(numbers, numbers).filter(lambda pair: len({*pair}) == 2))))
    items = draw(st.none() | names)
    return TableSource(
        draw(names),
        *columns[:4],
        time=draw(st.none() | st.just(columns[4])),
        weight=draw(st.none() | st.just(columns[5])),
        items=items,
        item_id=columns[6] if items and draw(st.booleans()) else None,
        segment_separator=draw(st.none() | st.sampled_from(["|", ", ", "\t", "\x7f"])),
        features=features,
        kind="binary" if binary else "regression",
        scale=None if binary else draw(st.none() | st.just(scale)),
        split=draw(st.none() | splits.map(Split.parse)),
        separator=draw(st.none() | st.sampled_from([";", "::", "\t"])),
        encoding=draw(st.sampled_from(["utf-8", "latin-1"])),
        name=draw(st.none() | names),
    )


@settings(max_examples=50, deadline=None)
@given(source=sources())
def test_toml_says_all(source):
    assert TableSource.from_toml(source.to_toml()) == source


def test_toml_has_a_word_on_each_field_and_leaves_out_what_is_not_known():
    lines = SOURCE.to_toml().splitlines()
    assert 'rows = "clicks.csv"' in lines and "# scale =" in lines
    fields = [i for i, line in enumerate(lines) if line.split(" =")[0].lstrip("# ").isidentifier()]
    assert len(fields) == 17 and all(lines[i - 1].startswith("# ") for i in fields)


def test_paths_of_a_file_are_relative_to_its_folder(tmp_path):
    (tmp_path / "x.toml").write_text(SOURCE.changed(items="a/b.csv").to_toml())
    found = read_toml(str(tmp_path / "x.toml"))
    assert found.rows == str(tmp_path / "clicks.csv")
    assert found.items == str(tmp_path / "a" / "b.csv")
    (tmp_path / "x.toml").write_text(SOURCE.changed(rows=str(tmp_path / "y.csv")).to_toml())
    assert read_toml(str(tmp_path / "x.toml")).rows == str(tmp_path / "y.csv")
    with pytest.raises(DataError, match="must be readable TOML. Received: no such file"):
        read_toml(str(tmp_path / "y.toml"))


@pytest.mark.parametrize(
    ("rows", "label"),
    [("a/clicks.csv.gz", "clicks"), ("a/clicks", "clicks"), ("a/.csv", ".csv"), ("/", "table")],
)
def test_data_are_called_as_their_file(rows, label):
    assert SOURCE.changed(rows=rows).label == label
    assert SOURCE.changed(rows=rows, name="May").label == "May"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": " "}, "A table's user must be named. Received: ' '"),
        ({"item": "user"}, "must be one thing. Received: 'user' as user and item"),
        ({"time": "clicked"}, "'clicked' as target and time"),
        ({"segment": "clicked"}, "must be known before the target is"),
        ({"time": "t", "segment": "t"}, "must be known before the time is"),
        ({"item_id": "id"}, "need a table of items"),
        ({"kind": "binry"}, "Did you mean 'binary'"),
        ({"features": (("a", "words"),)}, "a:words. Choose from: categorical, text, numeric"),
        ({"features": (("a", None), ("a", "text"))}, "must be named once. Received: 'a'"),
        ({"features": (("item", None),)}, "'item', which is the item"),
        ({"features": (("id", None),), "items": "b.csv", "item_id": "id"}, "the item's id"),
        ({"features": (("country", "text"),)}, "'country' as text"),
        ({"split": Split("column", column="user")}, "'user' as user and split"),
        ({"separator": ""}, "must have a letter"),
        ({"separator": '"'}, "must be a sign that is no quote"),
        ({"separator": "\n"}, "must be a sign that is no quote"),
        ({"separator": "x"}, "must be a sign that is no quote"),
        ({"scale": (5.0, 1.0)}, "Received: 5,1"),
        ({"scale": (0.0, float("nan"))}, "Received: 0,nan"),
        ({"scale": (0.0, 1e39)}, r"Received: 0,1e\+39"),
        ({"scale": (0.0, 1.0), "kind": "binary"}, "A binary target is 0 or 1"),
        ({"encoding": "utf9"}, "An encoding must be known. Received: 'utf9'"),
    ],
)
def test_what_means_nothing_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        SOURCE.changed(**changes)


def test_segments_may_be_a_feature_that_is_categorical():
    assert SOURCE.changed(features=(("country", "categorical"),)).segment == "country"
    assert SOURCE.changed(segment="user").segment == "user"


def test_roles_are_read_from_a_list():
    assert roles_of(" user = a b ,item=x=y", ROLES, "columns") == {"user": "a b", "item": "x=y"}
    for wrong in ("user", "user=", "=a", "who=a", "user=a,user=b", ""):
        with pytest.raises(DataError, match="--columns is a list of role=COLUMN"):
            roles_of(wrong, ROLES, "columns")


def test_features_are_read_from_a_list():
    found = features_of("a, b:text,,c:d:numeric,e:auto")
    assert found == (("a", None), ("b", "text"), ("c:d", "numeric"), ("e", None))
