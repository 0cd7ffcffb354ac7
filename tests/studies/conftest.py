"""What the tests of comparisons share."""

import pytest

from tdrec.studies import comparison


@pytest.fixture
def few_resamples(monkeypatch):
    """How few there are where much is simulated, or resampled by slow loops."""
    monkeypatch.setattr(comparison, "RESAMPLES", 150)
    return 150
