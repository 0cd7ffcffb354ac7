"""Rows that repeat another, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.columns import Categories
from tdrec.data.interactions import Interactions, Items
from tdrec.data.repeated import repeated_rows

ids = st.sampled_from([0, 1, 2, -1, 2**62, -(2**62), 2**63 - 1, -(2**63)])
rows = st.lists(st.tuples(ids, ids, st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


def of(table, **changes):
    columns = [np.array(column) for column in zip(*table, strict=True)]
    fields = {
        "user_ids": columns[0],
        "item_ids": columns[1],
        "values": columns[2],
        "items": Items(np.unique(columns[1])),
        "columns": {"shop": Categories.of(["a"] * len(table))},
        "segment_column": "shop",
    }
    return Interactions(**{**fields, **changes})


@settings(max_examples=50, deadline=None)
@given(table=rows, timed=st.booleans())
def test_rows_of_an_earlier_key_are_those_that_pandas_finds(table, timed):
    data = of(table, timestamps=np.array([t for *_, t in table]) if timed else None)
    expected = pd.DataFrame(table)[[0, 1, 2, 3][: 4 if timed else 3]].duplicated()
    assert repeated_rows(data).tolist() == expected.tolist()


@pytest.mark.parametrize("target", [0.5, 1.0])
def test_another_target_is_another_row(target):
    found = repeated_rows(of([(1, 2, 0.5, 0), (1, 2, target, 0)]))
    assert found.tolist() == [False, target == 0.5]
