import numpy as np
import pytest

from tdrec.diagnostics.effective_rank import effective_rank


def with_singular_values(values, rows=30, seed=0):
    """A centred matrix with these singular values."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.normal(size=(rows, len(values))) @ np.eye(len(values)))[0]
    basis = np.linalg.qr(np.column_stack([np.ones(rows), left]))[0][:, 1:]
    right = np.linalg.qr(rng.normal(size=(len(values), len(values))))[0]
    return basis * values @ right


@pytest.mark.parametrize("values", [(1.0, 1.0, 1.0), (5.0, 1.0, 0.5, 0.0), (2.0, 0.0)])
def test_it_is_the_entropy_of_the_singular_values(values):
    share = np.array([v for v in values if v]) / sum(values)
    expected = np.prod(share**-share)  # exp of the entropy, written otherwise
    x = with_singular_values(np.array(values))
    assert effective_rank(x) == pytest.approx(expected, abs=1e-6)
    assert effective_rank(1e-8 * x + 3e-8) == pytest.approx(expected, abs=1e-4)


def test_vectors_on_a_line_have_rank_1_and_equal_ones_0():
    line = np.outer(np.arange(10.0), [1.0, 2.0, -1.0]) + 5
    assert effective_rank(line) == pytest.approx(1, abs=1e-6)
    for constant in (0.0, 0.1, 1e20):
        assert effective_rank(np.full((1000, 50), constant, "float32")) == 0


def test_each_token_is_a_row():
    x = np.random.default_rng(0).normal(size=(5, 4, 3))
    assert effective_rank(x) == effective_rank(x.reshape(20, 3))
