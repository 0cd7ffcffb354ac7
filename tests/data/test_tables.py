"""Somebody's own tables as interactions, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from own_tables import csv, frame, items, source, with_value, write
from tdrec.data import FeatureEncoder
from tdrec.data.error import DataError
from tdrec.data.holdout import Split
from tdrec.data.summary import facts_of
from tdrec.data.tables import read_table

FEATURES = (("price", None), ("note", "text"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def words_of(column):
    return [("", *column.values)[code + 1] for code in column.codes.tolist()]


def user_words(data):
    names = data.user_names
    return [names[i] if names else i for i in data.user_ids.tolist()]


def item_words(data):
    names = data.items.names
    return [names[i] if names else i for i in data.item_ids.tolist()]


# One table, written in many ways ---------------------------------------------------------------

IS_MISSING = {"NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None"}
letters = st.text(st.sampled_from("aé\"'|, \n名0"), min_size=1, max_size=5)
names = letters.map(str.strip).filter(lambda name: name and name not in IS_MISSING)
numeric = st.integers(-5, 10**12)


@st.composite
def written(draw):
    """A table of ids of one kind, with what is missing here and there."""
    rows = draw(st.integers(2, 8))

    def column(each, missing=True):
        each = each | st.none() if missing else each
        return draw(st.lists(each, min_size=rows, max_size=rows))

    found = pd.DataFrame(
        {
            "user": column(draw(st.sampled_from([numeric, names]))),
            "item": column(draw(st.sampled_from([numeric, names]))),
            "rating": column(st.integers(-8, 8).map(lambda n: n / 4)),
            "country": column(names),
            "price": column(st.integers(0, 9).map(lambda n: n / 8)),
            "note": column(names),
            "time": column(st.integers(0, 10**9), missing=False),
        },
        dtype=object,
    )
    for name in ("rating", "price"):
        found[name] = found[name].astype(float)
    for name in ("user", "item"):
        if not any(isinstance(value, str) for value in found[name]):
            found[name] = found[name].astype("Int64")
    found["time"] = found["time"].astype("int64")
    return found


def same(table, other_order):
    more = table.assign(more="x")
    return more[[more.columns[i] for i in other_order]]


@settings(max_examples=40, deadline=None)
@given(table=written(), order=st.permutations(range(8)))
def test_a_table_is_the_same_in_each_kind_of_file(folder, table, order):
    half = len(table) // 2
    write(folder / "a.csv", table)
    write(folder / "b.csv", csv(same(table, order), quoting=2))
    write(folder / "a.tsv", table)
    write(folder / "a.csv.gz", same(table, order))
    write(folder / "a.parquet", table)
    write(folder / "p/a.parquet", same(table[:half], order))
    write(folder / "p/b.parquet", table[half:])
    write(folder / "c/a.csv", table[:half])
    write(folder / "c/b.csv", same(table[half:], order))
    files = ["a.csv", "b.csv", "a.tsv", "a.csv.gz", "a.parquet", "p", "c"]
    plain = [*table["country"], *table["note"], *table["user"], *table["item"]]
    if not any(isinstance(word, str) and set(word) & set('"\n') for word in plain):
        write(folder / "a.dat", table)
        files.append("a.dat")
    results = []
    for file in files:
        try:
            found = read_table(source(folder / file, time="time", features=FEATURES))
        except DataError as error:
            results.append(str(error).split(str(folder / file))[-1].split("of which")[-1])
        else:
            results.append((found.fingerprint, found.notes, found.name and len(found)))
    assert len({str(result) for result in results}) == 1, dict(zip(files, results, strict=True))


@settings(max_examples=40, deadline=None)
@given(table=written())
def test_rows_are_those_that_pandas_keeps(folder, table):
    path = write(folder / "rows.csv", table)
    needed = table.dropna(subset=["user", "item", "rating", "time"])
    kept = needed.drop_duplicates(["user", "item", "rating", "time"])
    usable = kept["rating"].nunique() > 1 and kept["country"].notna().any()
    try:
        found = read_table(source(path, time="time", features=FEATURES))
    except DataError:
        # "No value in any row" is of the whole column, missing rows among them.
        assert not usable or needed["rating"].nunique() < 2
        return
    assert [str(u) for u in user_words(found)] == kept["user"].astype(str).tolist()
    assert [str(i) for i in item_words(found)] == kept["item"].astype(str).tolist()
    assert found.values.tolist() == kept["rating"].tolist()
    assert found.timestamps.tolist() == kept["time"].tolist()
    assert words_of(found.columns["country"]) == kept["country"].fillna("").tolist()
    assert words_of(found.columns["note"]) == kept["note"].fillna("").tolist()
    prices = found.of_rows("price")
    expected = pd.to_numeric(kept["price"]).to_numpy(float)
    if hasattr(prices, "codes"):  # of nothing but missing values
        assert prices.missing() == len(kept)
    else:
        np.testing.assert_array_equal(prices.values, expected.astype(np.float32))
    counts = kept[kept["country"].notna()].groupby("country").size().to_dict()
    assert {name: n for name, n in found.segment_counts().items() if n} == counts
    dropped = {
        f"no {name}": int(table[name].isna().sum()) for name in ("user", "item", "rating")
    } | {"of the user, item, target and time of an earlier row": len(needed) - len(kept)}
    text = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
    assert found.notes.get("Rows dropped", "") == text
    assert found.notes["Rows in the table"] == str(len(table))


# What is counted, and what is said -------------------------------------------------------------


def read(folder, table, **changes):
    return read_table(source(write(folder / "own.csv", table), **changes))


def test_a_table_that_is_whole_has_no_warnings(folder):
    found = read(folder, frame(), time="time", weight="weight")
    assert found.warnings == () and dict(found.notes) == {"Rows in the table": "200"}
    assert (found.name, found.scale, found.names) == ("own", None, ("user", "item"))
    assert found.weights.tolist() == [1.0] * 200


def test_clicks_that_come_again_are_kept_unless_they_have_a_time(folder):
    table = pd.concat([frame(rating=[0, 1] * 100)] * 2)
    found = read(folder, table, kind="binary")
    assert (len(found), found.scale, found.target) == (400, (0.0, 1.0), "binary")
    found = read(folder, table, kind="binary", time="time")
    assert len(found) == 200
    assert found.warnings[0] == (
        "DROPPED ROWS: 50% of own: 200 of the user, item, target and time of an earlier row."
    )


@pytest.mark.parametrize("words", [("0", "1"), ("0.0", "1.0"), ("false", "TRUE"), ("False", "1")])
def test_clicks_are_written_in_several_ways(folder, words):
    found = read(folder, frame(rating=list(words) * 100), kind="binary")
    assert found.values.tolist() == [0.0, 1.0] * 100


def test_clicks_that_are_missing_are_dropped(folder):
    table = with_value("rating", 3, "NA", frame(rating=[0, 1] * 100))
    found = read(folder, table, kind="binary")
    assert (len(found), found.notes["Rows dropped"]) == (199, "1 no rating")


WARNINGS = {
    "lists with a bar": ({"country": "NL|BE"}, {}, "LISTS AS SEGMENTS: .*segment_separator='|'"),
    "lists with commas": ({"country": "NL,BE"}, {}, "LISTS AS SEGMENTS: .*separator=','"),
    "lists as of Python": ({"country": "['NL', 'BE']"}, {}, "LISTS AS SEGMENTS: 1 of 1"),
    "numbers as text": ({}, {"features": (("price", "text"),)}, "NUMBERS AS TEXT: price of"),
    "mixed ids": ({"user": ["x", *range(199)]}, {}, "MIXED IDS: 199 different ids of user"),
    "milliseconds": (
        {"time": np.arange(200) + 1_600_000_000_000},
        {"time": "time"},
        "ODD TIMES: time goes from .* look like milliseconds",
    ),
    "days as numbers": (
        {"time": np.arange(200) % 28 + 20240101},
        {"time": "time"},
        "ODD TIMES: time .* look like days",
    ),
    "rows that lack something": (
        {"rating": [""] * 40 + [1.0, 2.0] * 80},
        {},
        "DROPPED ROWS: 20% of own: 40 no rating",
    ),
}


@pytest.mark.parametrize("kind", WARNINGS)
def test_what_is_odd_is_said(folder, kind):
    columns, changes, message = WARNINGS[kind]
    (warning,) = read(folder, frame(**columns), **changes).warnings
    first, _, last = message.partition(" .*")
    assert first in warning and last in warning


def test_lists_of_segments_are_taken_apart(folder):
    found = read(folder, frame(country=["NL|BE", "|", "NL", ""] * 50), segment_separator="|")
    assert found.segment_counts() == {"BE": 50, "NL": 100}
    assert found.notes["Rows of no segment"] == "100"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["007", "7"] * 100, {"007", "7"}),
        ([f"{i % 9}.0" for i in range(200)], set(range(9))),
        ([str(2**63 + i % 3) for i in range(200)], {str(2**63 + i) for i in range(3)}),
        ([-(i % 3) for i in range(200)], {0, -1, -2}),
        (["a b", "ü,", '"'] * 66 + ["\n", "x"], {"a b", "ü,", '"', "x"}),
    ],
)
def test_ids_of_all_kinds_are_kept_apart(folder, values, words):
    found = read(folder, frame(user=values))
    assert set(user_words(found)) == words
    found = read(folder, frame(item=values))
    assert set(item_words(found)) == words


def test_items_bring_columns_and_may_bring_segments(folder):
    table = items(cost=np.arange(12.0), name="a name").rename(columns={"item": "key"})
    path = write(folder / "items.csv", table.sample(frac=1, random_state=0))
    features = (("cost", None), ("name", "text"), ("price", "numeric"))
    found = read(folder, frame(), items=path, item_id="key", segment="kind", features=features)
    merged = frame().merge(table, left_on="item", right_on="key", how="left")
    assert found.of_rows("cost").values.tolist() == merged["cost"].tolist()
    assert found.segment_counts() == merged.groupby("kind").size().to_dict()
    assert list(found.items.columns) == ["kind", "cost", "name"] and list(found.columns) == [
        "price"
    ]
    assert found.notes["Items known, with or without rows"] == "12"


def test_a_column_of_parts_splits(folder):
    split = Split("column", column="part")
    found = read(folder, frame(), split=split)
    holdout = split(found)
    assert len(holdout.test) == (frame()["part"] == "test").sum()
    assert "part" not in found.columns


def test_users_or_items_may_be_the_segments(folder):
    renamed = frame().rename(columns={"user": "member"})
    found = read(folder, renamed, user="member", segment="member")
    assert found.segment_counts()["3"] == (renamed["member"] == 3).sum()
    with pytest.raises(DataError, match="must not be called as the user's id"):
        read(folder, frame(), segment="user")


def test_tables_without_a_header_are_read_by_number(folder):
    path = write(folder / "bare.csv", csv(frame(), header=False))
    found = read_table(source(path, user="1", item="2", target="3", segment="6"))
    assert found.segment_counts() == {"BE": 100, "NL": 100}
    assert found.values.tolist() == frame()["rating"].tolist()


def test_separators_that_a_name_holds_do_no_harm(folder):
    path = write(folder / "own.csv", csv(frame().rename(columns={"price": "price, EUR"}), sep=";"))
    found = read_table(source(path, features=(("price, EUR", None),)))
    assert found.of_rows("price, EUR").values.tolist() == frame()["price"].tolist()


# After reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, "categorical", "text", "numeric"])
@pytest.mark.parametrize("values", ["", ["", "7"] * 100, [""] * 199 + ["7"]])
def test_features_with_gaps_are_encoded_and_summed_up(folder, kind, values):
    name = "größe /\n, x"
    found = read(folder, frame(**{name: values}), features=((name, kind),))
    holdout = Split("random", 0.5)(found)
    encoder = FeatureEncoder.fit(holdout.train)
    encoded = encoder.encode(holdout.test)
    assert list(encoded) == ["user", "item", "country", name]
    assert all(np.isfinite(x).all() and len(x) == 100 for x in encoded.values())
    assert FeatureEncoder.from_json(encoder.to_json()) == encoder
    facts = facts_of(found, holdout, Split("random", 0.5))
    missing = sum(not value for value in (values or [""] * 200))
    assert f"{missing} missing" in facts["Features"]
    assert not [fact for fact in facts.values() if "\n" in fact]
