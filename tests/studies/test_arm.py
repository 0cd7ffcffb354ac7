"""Tests of arms: what a report calls them, and which are refused."""

import pytest

from tdrec.distill import methods
from tdrec.studies.arm import METHODS, NAMES, ROUNDS, Arm
from tdrec.studies.row import REFERENCES


def test_the_names_are_those_of_the_methods_and_the_references():
    assert tuple(methods.METHODS) == METHODS
    assert set(NAMES) == {*METHODS, *REFERENCES}


def test_names_of_arms():
    assert [Arm(method).name for method in METHODS] == [
        *("Scratch", "LD", "FD", "FitNet", "Hybrid", "TD k=2", "Trusted LD", "Grading"),
    ]
    assert ROUNDS == 2
    assert Arm("td", {"rounds": 0}).name == "TD k=0"
    assert Arm("td", {"state_weight": 0.5, "rounds": 0}).name == "TD k=0 state_weight=0.5"
    assert Arm("td", {"target": "original"}).name == "TD k=2 target=original"
    assert Arm("td", {"state_weight": 0.0}, "TD without L_SC").name == "TD without L_SC"
    assert Arm("ld", {"weight": 3.0}).name == "LD weight=3"
    assert Arm("my.methods:Mine", {"size": 4}).name == "Mine size=4"


@pytest.mark.parametrize("method", NAMES)
def test_references_are_no_students(method):
    assert Arm(method).is_student == (method in METHODS)


@pytest.mark.parametrize("method", ["sgd", "", "TD"])
def test_a_wrong_method_is_refused(method):
    with pytest.raises(ValueError, match=rf"one of scratch, ld.* Received: '{method}'"):
        Arm(method)


def test_a_change_needs_a_label():
    assert Arm("td", label="ramp", changes={"ramp_up": (1000, 500)}).name == "ramp"
    with pytest.raises(ValueError, match=r"must have a label.* Received: td with {'steps': 20}"):
        Arm("td", changes={"steps": 20})


def test_an_arm_that_trusts_says_so_and_is_named():
    trusting = Arm("ld", {"trust": ("movie", "user")})
    assert trusting.trusts and Arm("trusted_ld").trusts and not Arm("ld").trusts
    assert trusting.name == "LD trust=('movie', 'user')"
