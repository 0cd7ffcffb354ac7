import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdrec.models.id_dropout import id_variants, variant_shares

X = {
    "user": np.array([3, 1, 2], np.int32),
    "movie": np.array([7, 7, 9], np.int32),
    "title": np.array([[4, 5], [4, 5], [6, 0]], np.int32),
}


def test_each_set_of_ids_is_replaced_once():
    variants = id_variants(X, ["user", "movie"])
    np.testing.assert_array_equal(variants["user"], [3, 1, 2, 3, 1, 2, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(variants["movie"], [7, 7, 9, 0, 0, 0, 7, 7, 9, 0, 0, 0])
    np.testing.assert_array_equal(variants["title"], np.tile(X["title"], (4, 1)))
    assert {name: v.dtype for name, v in variants.items()} == {n: v.dtype for n, v in X.items()}


def test_shares_by_hand():
    expected = [0.7 * 0.95, 0.7 * 0.05, 0.3 * 0.95, 0.3 * 0.05]
    np.testing.assert_allclose(variant_shares({"user": 0.3, "movie": 0.05}), expected)


def test_without_a_name_the_rows_are_as_they_were():
    for name, values in id_variants(X, ()).items():
        np.testing.assert_array_equal(values, X[name])
    assert variant_shares({}) == [1.0]


@given(st.floats(0, 1), st.floats(0, 1))
def test_an_ids_replaced_share_is_its_rate(user, movie):
    rates = {"movie": movie, "user": user}
    variants, shares = id_variants(X, rates), np.array(variant_shares(rates))
    for name, rate in rates.items():
        replaced = variants[name].reshape(len(shares), 3)[:, 0] == 0
        assert shares[replaced].sum() == pytest.approx(rate, abs=1e-12)
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("rate", [1.5, -0.1, float("nan")])
def test_a_rate_is_a_share(rate):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]. Received: .* for 'user'"):
        variant_shares({"user": rate})


def test_a_feature_must_be_there():
    with pytest.raises(ValueError, match=r"features among .*'movie'.* Received: \['item'\]"):
        id_variants(X, ["item"])
