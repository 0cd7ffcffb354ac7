import sys

import pytest

from tdrec.runtime.parquet import pyarrow_for


def test_a_missing_pyarrow_is_named_with_its_remedy(monkeypatch):
    assert pyarrow_for("Tables").array([1, 2]).to_pylist() == [1, 2]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="Tables need pyarrow.* pip install pyarrow"):
        pyarrow_for("Tables")
