"""Interactions against pandas, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.columns import Categories, Labels, Numbers
from tdrec.data.error import DataError
from tdrec.data.interactions import Interactions, Items

few = settings(max_examples=40, deadline=None)
ITEMS = Items([7, 9, 3], {"tags": Labels.of(["x|y", "", "y"], "|"), "cost": Numbers([1, 2, 3])})
TAGS = {7: {"x", "y"}, 9: set(), 3: {"y"}}
row = st.tuples(
    st.integers(-3, 3),
    st.sampled_from([7, 9, 3]),
    st.floats(-5, 5),
    st.sampled_from(["", "a", "b"]),
)


def make(rows, segment="shop", **changes):
    users, items, values, shops = (list(column) for column in zip(*rows, strict=True))
    fields = {
        "user_ids": np.array(users, np.int64),
        "item_ids": np.array(items, np.int64),
        "values": np.array(values, np.float64),
        "items": ITEMS,
        "columns": {"shop": Categories.of(shops)},
        "segment_column": segment,
    }
    return Interactions(**{**fields, **changes})


def frame(rows):
    return pd.DataFrame(rows, columns=["user", "item", "value", "shop"])


def rows_of(data):
    shops = [("", *data.columns["shop"].values)[c + 1] for c in data.columns["shop"].codes]
    columns = (data.user_ids.tolist(), data.item_ids.tolist(), data.values.tolist(), shops)
    return list(zip(*columns, strict=True))


def in_32_bits(table):
    return [(u, i, float(np.float32(v)), s) for u, i, v, s in table.itertuples(index=False)]


rows_at_least_one = st.lists(row, min_size=1, max_size=25)


@few
@given(rows=rows_at_least_one, data=st.data())
def test_taking_rows_is_what_pandas_does(rows, data):
    found, table = make(rows), frame(rows)
    positions = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    assert rows_of(found.take(positions)) == in_32_bits(table.iloc[positions])
    mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    assert rows_of(found.take(np.array(mask))) == in_32_bits(table[np.array(mask)])


@few
@given(rows=rows_at_least_one)
def test_segments_of_rows_are_groups_of_pandas(rows):
    found, table = make(rows), frame(rows)
    counts = table[table["shop"] != ""].groupby("shop").size()
    assert found.segment_counts() == counts.to_dict()
    for name in found.segment_names:
        assert rows_of(found.of_segment(name)) == in_32_bits(table[table["shop"] == name])
        assert found.in_segment(name).tolist() == (table["shop"] == name).tolist()


@few
@given(rows=rows_at_least_one)
def test_segments_of_items_are_those_of_each_rows_item(rows):
    found, table = make(rows, segment="tags"), frame(rows)
    for name in ("x", "y"):
        has = table["item"].map(lambda item, name=name: name in TAGS[item])
        assert found.in_segment(name).tolist() == has.tolist()
        assert found.segment_counts()[name] == has.sum()
        assert rows_of(found.of_segment(name)) == in_32_bits(table[has])
    costs = table["item"].map({7: 1.0, 9: 2.0, 3: 3.0})
    assert found.of_rows("cost").values.tolist() == costs.tolist()
    assert found.of_rows("shop") is found.columns["shop"]


@few
@given(
    values=st.lists(st.integers(-(2**24), 2**24).map(lambda n: n / 64), min_size=1, max_size=20),
    power=st.integers(-20, 20),
)
def test_units_lose_nothing(values, power):
    data = make([(1, 7, value, "a") for value in values], scale=(-1e6, 1e6))
    changed = data.in_units(2.0**power)
    np.testing.assert_array_equal(changed.values * np.float64(2.0**power), data.values)
    assert changed.in_units(1.0).values.tolist() == data.values.tolist()
    assert changed.in_units(1.0).scale == data.scale
    assert changed.own_unit() == data.own_unit()


@pytest.mark.parametrize("spread", [1e-38, 1e-3, 1.1, 1000, 1e30])
def test_values_in_their_own_unit_deviate_by_about_one(spread):
    values = np.array([-1, 1, 1, -1]) * spread
    data = make([(1, 7, value, "a") for value in values])
    own = data.in_units(data.own_unit())
    assert np.log2(data.own_unit()) % 1 == 0
    assert 2**-0.5 <= own.values.std() <= 2**0.5


def test_clicks_and_one_value_are_of_unit_1():
    clicks = [(1, 7, 0, "a"), (1, 9, 1, "a")]
    assert make(clicks, target="binary").own_unit() == 1
    assert make([(1, 7, 5, "a")] * 3).own_unit() == 1
    assert make(clicks).take([]).own_unit() == 1


ROWS = [(1, 7, 0.0, "a"), (2, 9, 1.0, "b"), (2, 3, 0.0, "")]


def test_counts_are_those_of_the_rows_that_there_are_now():
    data = make(ROWS)
    counts = data.segment_counts()
    counts["none"] = 5  # what is given is the caller's
    for part in (data.take([0]), data.changed(name="other")):
        assert part.segment_counts() == {
            name: int(part.in_segment(name).sum()) for name in data.segment_names
        }


def test_no_rows_are_rows():
    empty = make(ROWS).take([])
    assert len(empty) == 0 and empty.segment_counts() == {"a": 0, "b": 0}
    assert len(empty.of_segment("a")) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"user_ids": np.array([1, 2, 3])},
        {"item_ids": np.array([9, 9, 3])},
        {"values": np.array([0, 1, 1])},
        {"timestamps": np.arange(3)},
        {"weights": np.ones(3)},
        {"columns": {"shop": Categories.of(["a", "b", "b"])}},
        {"columns": {"shop": Categories.of(["a", "b", ""]), "p": Numbers([1, 2, 3])}},
        {"parts": Categories.of(["train", "train", "test"])},
        {"user_names": ("x", "y", "z")},
        {"items": Items([7, 9, 3, 4], {})},
        {"segment_column": "tags"},
        {"target": "binary"},
        {"scale": (0.0, 5.0)},
        {"unit": 2.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_fingerprint_is_of_all_that_matters(changes):
    data = make(ROWS)
    assert data.changed(**changes).fingerprint != data.fingerprint


def test_the_fingerprint_is_of_nothing_else():
    data = make(ROWS)
    same = make(ROWS, name="other", warnings=("a",), notes={"b": "c"})
    assert same.fingerprint == data.fingerprint == data.take([0, 1, 2]).fingerprint
    assert data.take([1, 0, 2]).fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": [0.0, np.nan, 1.0]}, "finite numbers of 32 bits. Received: nan at row 1"),
        ({"values": [0.0, 1.0, 1e40]}, r"Received: 1e\+40 at row 2"),
        ({"values": [0, 1, 2], "target": "binary"}, "0 or 1, .*Received: 2 at row 2"),
        ({"values": ["a", "b", "c"]}, "`values` must be numbers. Received: <U1"),
        ({"user_ids": [1.0, 2.0, 3.0]}, "`user_ids` must be whole numbers"),
        ({"user_ids": [1, 2]}, "one entry for each row. Received: .*'user_ids': 2"),
        ({"item_ids": [7, 9, 8]}, "Received: item id 8 at row 2"),
        ({"weights": [1.0, -1.0, 0.0]}, "not negative. Received: -1.0 at row 1"),
        ({"weights": [1.0, 1.0, 1e40]}, r"Received: 1e\+40 at row 2"),
        ({"timestamps": [0.5, 1, 2]}, "`timestamps` must be whole numbers"),
        ({"segment_column": "cost"}, "Received: 'cost'. Choose from: shop, tags"),
        ({"columns": {"tags": Categories.of("abc")}}, "Received: 'tags' in both"),
        ({"columns": {"user": Categories.of("abc")}, "segment_column": "tags"}, "'user' among"),
        ({"columns": {"shop": Categories.of("ab")}}, "Received: .*'shop': 2"),
    ],
)
def test_what_breaks_a_rule_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        make(ROWS, **changes)


def test_rows_may_all_have_the_weight_0():
    data = make(ROWS, weights=np.array([1.0, 0.0, 0.0]))
    assert data.take([1, 2]).weights.tolist() == [0, 0]


def test_rows_are_selected_by_positions_or_a_mask():
    for wrong in ([0.5], [[0]], ["a"]):
        with pytest.raises(IndexError, match="1-D array of integers or a bool mask"):
            make(ROWS).take(wrong)
    with pytest.raises(IndexError):
        make(ROWS).take(np.array([True]))
    with pytest.raises(ValueError, match="segment must be one of .*Received: 'c'. .*: a, b"):
        make(ROWS).of_segment("c")


def test_arrays_are_copies_that_nobody_writes_to():
    values = np.array([0.0, 1.0, 0.0], np.float32)
    data = make(ROWS, values=values)
    values[0] = 9
    assert data.values[0] == 0 and not data.values.flags.writeable
