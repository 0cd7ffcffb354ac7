"""Masks that do not reach what is compared, and padding in the terms, are named."""

import numpy as np
import pytest

from tdrec.diagnostics.finding import OK, WARN
from tdrec.diagnostics.mask_checks import check_masks, check_padding, padding_of
from tdrec.diagnostics.masks_seen import MasksSeen

IDS = np.array([[3, 4, 0, 0], [5, 0, 0, 0], [1, 2, 3, 4]])
MASK = IDS != 0
TOKENS = {"low": 4, "high": 4, "prediction": 4}
ALL = ("low", "high", "prediction")


def test_masks_that_get_there():
    seen = MasksSeen(("ids",), "out", TOKENS, dict.fromkeys(TOKENS, MASK), [IDS])
    (finding,) = check_masks({"student": seen}, ALL)
    assert finding.status == OK
    share = (IDS == 0).mean()
    assert finding.figures["masked_share"] == dict.fromkeys(
        (f"student's {name}" for name in ALL), pytest.approx(share)
    )
    assert f"student's low {share:.0%}" in finding.text
    assert not list(check_padding({"student": seen}, ALL))


def test_a_mask_that_is_dropped_is_named_with_its_place():
    seen = MasksSeen(("ids",), "twice", TOKENS, {"low": MASK}, [IDS])
    (finding,) = check_masks({"student": seen, "teacher": MasksSeen()}, ALL)
    assert finding.status == WARN and "supports_masking" in finding.remedy
    assert (
        "The student's mask (made by 'ids') does not reach its high and its prediction: the last "
        "layer that it reaches is 'twice'." in finding.text
    )
    assert not [f for f in check_masks({"student": seen}, ("low",)) if f.status == WARN]
    seen = MasksSeen(("ids",), None, TOKENS)
    (finding,) = check_masks({"teacher": seen}, ALL)
    assert "no layer is given it" in finding.text


def test_nothing_is_said_where_no_mask_is_made_or_no_place_compared():
    assert not list(check_masks({"student": MasksSeen(tokens=TOKENS)}, ALL))
    assert not list(check_masks({"student": MasksSeen(("ids",), "pool")}, ALL))


def test_padding_in_the_terms():
    seen = MasksSeen(tokens={"low": 4, "high": 2}, ids=[IDS])
    (finding,) = check_padding({"student": seen}, ALL)
    assert finding.status == WARN
    assert (
        "the student's low (42% of the tokens: 67% of the rows end with a run of id 0)"
        in finding.text
    )
    assert finding.figures["student"] == {
        "value": 0,
        "place": "end",
        "rows": pytest.approx(2 / 3),
        "tokens": pytest.approx(5 / 12),
        "compared": ["low"],
    }
    assert not list(check_padding({"student": seen}, ("high", "prediction")))


def test_padding_of():
    assert padding_of(IDS).place == "end"
    found = padding_of(IDS[:, ::-1] + 7)
    assert (found.value, found.place) == (7, "begin")
    assert found.tokens == pytest.approx(5 / 12)
    assert padding_of(np.zeros((5, 4), int)) is None, "ids that are all one are no padding"
    random = np.random.default_rng(0).integers(0, 50, (200, 6))
    assert padding_of(random) is None
