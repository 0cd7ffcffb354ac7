"""Rows that repeat another, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.data.repeated import repeated_rows

users = st.sampled_from([0, 1, 2, -1, 2**62, -(2**62), 2**63 - 1, -(2**63)])
items = st.sampled_from([0, 1, 5, 2**40])
rows = st.lists(
    st.tuples(users, items, st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40
)


@settings(max_examples=50, deadline=None)
@given(table=rows, keys=st.integers(2, 4))
def test_rows_of_an_earlier_key_are_those_that_pandas_finds(table, keys):
    columns = [np.array(column) for column in zip(*table, strict=True)][:keys]
    expected = pd.DataFrame(dict(enumerate(columns))).duplicated()
    assert repeated_rows(*columns).tolist() == expected.tolist()


@pytest.mark.parametrize("target", [0.5, 1.0])
def test_another_target_is_another_row(target):
    ones = np.ones(2, np.int64)
    found = repeated_rows(ones, ones, np.array([0.5, target]))
    assert found.tolist() == [False, target == 0.5]
