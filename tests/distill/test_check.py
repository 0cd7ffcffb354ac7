import pytest

from tdrec.distill.check import check_not_negative, check_positive, check_type


@pytest.mark.parametrize("value", [1, 0.5, float("inf")])
def test_what_fulfils_the_rule_is_given_back(value):
    assert check_positive("x", value) is value
    assert check_not_negative("x", value) is value
    assert check_not_negative("x", 0) == 0


@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), float("-inf")])
def test_what_breaks_it_is_named(value):
    with pytest.raises(ValueError, match=f"`x` must be positive. Received: {value}"):
        check_positive("x", value)
    with pytest.raises(ValueError, match=f"`x` must be at least 0. Received: {value}"):
        check_not_negative("x", value)


def test_0_is_not_positive():
    with pytest.raises(ValueError, match="Received: 0"):
        check_positive("x", 0)


def test_another_type_is_refused_with_what_makes_the_right_one():
    check_type("x", True, int, "1")  # bool is an int
    with pytest.raises(TypeError, match="`x` must be a int, such as f.3.. Received: '3'"):
        check_type("x", "3", int, "f(3)")
