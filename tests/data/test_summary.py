"""Facts of data, against pandas and plain Python."""

import numpy as np
import pandas as pd
import pytest

from tdrec.data.columns import Categories, Labels, Numbers, Text
from tdrec.data.holdout import Split, split_by_time
from tdrec.data.interactions import Interactions, Items
from tdrec.data.summary import facts_of, histogram

N = 40
RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "user": RANDOM.integers(0, 7, N),
        "item": RANDOM.integers(0, 5, N),
        "value": RANDOM.integers(1, 4, N).astype(float),
        "shop": RANDOM.choice(["NL", "BE", "DE", ""], N),
        "time": np.arange(N) + 1_600_000_000,
    }
)


def data(table=TABLE, **changes):
    columns = {
        "shop": Categories.of(table["shop"]),
        "cost": Numbers([1.0, float("nan")] * (len(table) // 2)),
        "same": Text.of(["a"] * len(table)),
    }
    fields = {
        "user_ids": table["user"].to_numpy(),
        "item_ids": table["item"].to_numpy(),
        "values": table["value"].to_numpy(),
        "timestamps": table["time"].to_numpy(),
        "items": Items(np.arange(5), {"tags": Labels.of(["x|y", "", "y", "x", ""], "|")}),
        "columns": columns,
        "segment_column": "shop",
        "notes": {"Rows in the table": "99"},
    }
    return Interactions(**{**fields, **changes})


def facts(rows, split=None):
    split = split or Split()
    return facts_of(rows, split(rows), split)


def test_counts_are_those_of_pandas():
    found = facts(data())
    assert found["Rows in the table"] == "99" and found["Rows"] == str(N)
    assert found["Users"] == str(TABLE["user"].nunique())
    assert found["Items"] == str(TABLE["item"].nunique())
    shops = TABLE[TABLE["shop"] != ""]["shop"].value_counts()
    counted = sorted(shops.items(), key=lambda each: (-each[1], each[0]))
    assert found["Segments"] == "3: " + ", ".join(f"{name} {n}" for name, n in counted)
    mean, deviation = TABLE["value"].mean(), TABLE["value"].std(ddof=0)
    assert f"1 to 3, mean {mean:.4g}, standard deviation {deviation:.4g}; " in found["Target"]
    counts = TABLE["value"].value_counts()
    assert found["Target"].endswith(", ".join(f"{v}: {counts[v]}" for v in (1, 2, 3)))
    again = TABLE.duplicated(["user", "item"]).sum()
    assert found["Rows repeating a user and item"] == str(again)


def test_features_are_named_with_their_gaps():
    missing = (TABLE["shop"] == "").sum()
    found = facts(data())
    assert found["Features"] == (
        f"tags (labels, 2 names, 2 missing); shop (categorical, 3 values, {missing} missing); "
        f"cost (numeric, 1 values, {N // 2} missing); same (text, 1 values)"
    )
    assert found["Constant columns"] == "cost, same"
    bare = data(columns={"shop": data().columns["shop"]}, items=Items(np.arange(5)))
    assert "Constant columns" not in facts(bare)


def test_what_is_held_out_is_said():
    train, test = TABLE[:36], TABLE[36:]
    found = facts(data())
    assert found["Evaluation rows begin at"] == "2020-09-13 12:27:16 UTC"
    assert found["Rows tied at that time"] == "1" and "Split" not in found
    for name, column in (("users", "user"), ("items", "item")):
        share = (~test[column].isin(train[column])).mean()
        assert found[f"Evaluation rows of {name} unseen in training"] == f"{share:.1%}"


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (Split("time", 0.8), "by time: the later rows are evaluated on (time:0.8)"),
        (Split("random", 0.5, seed=3), "at random, seed 3 (random:0.5:3)"),
        (Split("user", 0.5), "all evaluation rows are of cold users"),
        (Split("column", column="part"), "by the column 'part'"),
    ],
)
def test_the_rule_of_a_split_is_said(split, said):
    parts = Categories.of(["train", "test"] * (N // 2))
    assert said in facts(data(parts=parts), split)["Split"]


def test_clicks_have_a_share():
    clicks = TABLE.assign(value=(TABLE["value"] > 2).astype(float))
    ones = int(clicks["value"].sum())
    assert facts(data(clicks, target="binary"))["Target"] == (
        f"binary: {ones} of {N} are 1, {ones / N:.2%}"
    )


def test_numbers_near_the_end_of_32_bits_are_summed_up():
    found = facts(data(TABLE.assign(value=TABLE["value"] * 1e38)))
    assert f"mean {TABLE['value'].mean() * 1e38:.4g}" in found["Target"]


def test_times_that_no_calendar_has_are_said_as_numbers():
    late = data(TABLE.assign(time=TABLE["time"] + 2**60))
    assert facts(late)["Evaluation rows begin at"] == str(1_600_000_036 + 2**60)


def test_of_many_segments_the_largest_are_named_and_no_name_breaks_a_line():
    shops = [f"s{i}\n" for i in range(20)] * 2
    found = facts(data(TABLE.assign(shop=shops)))
    assert found["Segments"].startswith("20: s0  2, s1  2, s10  2")
    assert found["Segments"].endswith("and 10 smaller")


def test_facts_of_ratings_speak_of_movies(ratings):
    found = facts_of(ratings, split_by_time(ratings))
    assert {"Movies", "Genres", "Evaluation rows of movies unseen in training"} <= set(found)


@pytest.mark.parametrize("values", [[3.0], [1.0, 2.0, 2.0], np.arange(100.0), [0, 1e-30, 1e30]])
def test_a_histogram_counts_each_value(values):
    values = np.array(values, np.float32)
    bars, *parts = histogram(values).replace(",", " ").split()
    counts = [int(part) for part in parts if part.isdecimal()]
    assert sum(counts) == len(values) and len(bars) == min(len(set(values.tolist())), 10)
