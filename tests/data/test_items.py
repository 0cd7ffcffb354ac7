"""A catalogue of items: each once, and where it stands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.columns import Labels
from tdrec.data.error import DataError
from tdrec.data.items import Items

TAGS = Labels.of(["x|y", "", "y"], "|")


def test_a_catalogue_has_each_item_once_and_each_column_whole():
    with pytest.raises(DataError, match="Item ids must be unique. Received: 7 more than once"):
        Items([7, 7])
    with pytest.raises(DataError, match="2 items. Received: 'tags' with 3"):
        Items([7, 9], {"tags": TAGS})


# Small ids are looked up in an array, others in an index.
@settings(max_examples=40, deadline=None)
@given(
    ids=st.lists(
        st.one_of(st.integers(0, 9), st.sampled_from([-1, 2**20, 2**62, -(2**63)])),
        min_size=1,
        unique=True,
    ),
    asked=st.lists(st.sampled_from([0, 3, 9, 10, -1, 2**20, 2**62, -(2**63)])),
)
def test_items_stand_where_a_list_has_them(ids, asked):
    items = Items(ids)
    assert items.rows(ids[::-1]).tolist() == list(range(len(ids)))[::-1]
    assert items.has(np.array(asked, np.int64)).tolist() == [each in ids for each in asked]
    if unknown := [each for each in asked if each not in ids]:
        with pytest.raises(DataError, match=f"Received: item id {unknown[0]} at row"):
            items.rows(asked)
