import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec.diagnostics.cka import cka_table, linear_cka


def states(rows=20, width=5, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, width)) + 3.0


def rotation(width, seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))
    return q * np.sign(np.diag(r))


def by_gram_matrices(x, y, unbiased):
    """The definition: HSIC of the rows-by-rows kernels, written out."""

    def hsic(k, m):
        n = len(k)
        if not unbiased:
            h = np.eye(n) - 1 / n
            return np.trace(k @ h @ m @ h) / (n - 1) ** 2
        k, m = (a - np.diag(np.diag(a)) for a in (k, m))
        one = np.ones(n)
        value = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return (value - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("widths", [(5, 3), (3, 40), (60, 50)])
def test_the_feature_form_is_the_gram_matrix_form(widths, unbiased):
    x = states(20, widths[0], 1)
    y = states(20, widths[1], 2)
    y[:, : min(widths)] += x[:, : min(widths)]
    expected = by_gram_matrices(x, y, unbiased)
    assert linear_cka(x, y, unbiased) == pytest.approx(expected, rel=1e-10)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(6, 30),
    width=st.integers(1, 8),
    other=st.integers(1, 8),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 10**6),
)
def test_properties(rows, width, other, scale, seed):
    x, y = states(rows, width, seed), states(rows, other, seed + 1)
    value = linear_cka(x, y)
    assert -1e-9 <= value <= 1 + 1e-9
    assert linear_cka(x, x) == pytest.approx(1)
    for unbiased in (False, True):
        value = linear_cka(x, y, unbiased)
        turned = scale * x @ rotation(width, seed) - 7.0
        same = pytest.approx(value, rel=1e-6, abs=1e-8, nan_ok=True)
        assert linear_cka(y, x, unbiased) == same
        assert linear_cka(turned, y, unbiased) == same


def test_a_linear_map_that_is_no_rotation_changes_it():
    x = states(50, 4)
    stretched = x * [1.0, 1.0, 1.0, 20.0]
    assert linear_cka(x, stretched) < 0.9


def test_unrelated_wide_states_are_unlike_without_the_bias_only():
    pairs = [(states(30, 200, 2 * seed), states(30, 200, 2 * seed + 1)) for seed in range(20)]
    assert np.mean([linear_cka(x, y) for x, y in pairs]) > 0.8
    assert abs(np.mean([linear_cka(x, y, unbiased=True) for x, y in pairs])) < 0.02


def test_each_token_is_a_row():
    x = np.random.default_rng(0).normal(size=(6, 3, 5))
    y = np.random.default_rng(1).normal(size=(6, 3, 2))
    assert linear_cka(x, y) == linear_cka(x.reshape(18, 5), y.reshape(18, 2))


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30])
def test_constant_states_have_no_alignment(constant, unbiased):
    same = np.full((20, 4), constant)
    assert np.isnan(linear_cka(same, states(), unbiased))
    assert np.isnan(linear_cka(states(), same, unbiased))


def test_states_of_any_size_are_compared():
    x, y = states(20, 5, 0), states(20, 5, 1)
    expected = linear_cka(x, y)
    assert linear_cka(x * 1e200, y * 1e-200) == pytest.approx(expected)


def test_refusals():
    with pytest.raises(ValueError, match=r"same rows.*Received: shapes \(20, 5\) and \(19, 5\)"):
        linear_cka(states(20), states(19))
    with pytest.raises(ValueError, match=r"Received: shapes \(5,\) and \(5,\)"):
        linear_cka(np.ones(5), np.ones(5))
    with pytest.raises(ValueError, match="at least 2 rows.*Received: 1"):
        linear_cka(states(1), states(1))
    with pytest.raises(ValueError, match="unbiased form 4. Received: 3"):
        linear_cka(states(3), states(3), unbiased=True)
    for bad in (np.nan, np.inf):
        sick = states()
        sick[3, 2] = bad
        with pytest.raises(ValueError, match="finite states"):
            linear_cka(sick, states())


def test_the_table_has_every_pair_the_students_first():
    student = {"low": states(20, 5, 0), "high": states(20, 4, 1)}
    teacher = {"low": states(20, 7, 2), "message": states(20, 3, 3)}
    table = cka_table(student, teacher)
    assert set(table) == {(own, its) for own in student for its in teacher}
    for (own, its), value in table.items():
        assert value == linear_cka(student[own], teacher[its])
    assert cka_table(student, teacher, unbiased=True)["low", "low"] == linear_cka(
        student["low"], teacher["low"], unbiased=True
    )


def test_states_with_other_numbers_of_tokens_are_left_out():
    student = {"low": np.random.default_rng(0).normal(size=(6, 3, 5)), "high": states(6, 4)}
    teacher = {"low": np.random.default_rng(1).normal(size=(6, 4, 5)), "high": states(6, 3)}
    assert set(cka_table(student, teacher)) == {("high", "high")}
