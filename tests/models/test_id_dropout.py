import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.models.id_dropout import id_variants

X = {
    "user": np.array([3, 1, 2], np.int32),
    "movie": np.array([7, 7, 9], np.int32),
    "title": np.array([[4, 5], [4, 5], [6, 0]], np.int32),
}


def test_each_set_of_ids_is_replaced_once():
    variants, shares = id_variants(X, {"user": 0.3, "movie": 0.05})
    np.testing.assert_array_equal(variants["user"], [3, 1, 2, 3, 1, 2, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(variants["movie"], [7, 7, 9, 0, 0, 0, 7, 7, 9, 0, 0, 0])
    np.testing.assert_array_equal(variants["title"], np.tile(X["title"], (4, 1)))
    np.testing.assert_allclose(shares, [0.7 * 0.95, 0.7 * 0.05, 0.3 * 0.95, 0.3 * 0.05])
    assert {name: v.dtype for name, v in variants.items()} == {n: v.dtype for n, v in X.items()}


@pytest.mark.parametrize("rates", [{}, {"user": 0.0, "movie": 0}])
def test_without_a_rate_the_rows_are_as_they_were(rates):
    variants, shares = id_variants(X, rates)
    np.testing.assert_array_equal(shares, [1.0])
    for name, values in X.items():
        np.testing.assert_array_equal(variants[name], values)


@given(st.floats(0, 1), st.floats(0, 1))
def test_an_ids_replaced_share_is_its_rate(user, movie):
    variants, shares = id_variants(X, {"user": user, "movie": movie})
    for name, rate in (("user", user), ("movie", movie)):
        replaced = variants[name].reshape(len(shares), 3)[:, 0] == 0
        assert np.array(shares)[replaced].sum() == pytest.approx(rate, abs=1e-12)
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("rates", [{"user": 1.5}, {"user": -0.1}, {"user": float("nan")}])
def test_a_rate_is_a_share(rates):
    with pytest.raises(ValueError, match=r"a share in \[0, 1\] .* Received: 'user'"):
        id_variants(X, rates)


def test_a_feature_must_be_there():
    with pytest.raises(ValueError, match=r"a feature among .*'movie'.* Received: 'item': 0.1"):
        id_variants(X, {"item": 0.1})
