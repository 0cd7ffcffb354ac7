"""Tests of sentences: they say what the differences say, pleasant or not."""

import pytest

from image_rows import make_image_row, make_image_rows
from tdrec.image_claims import difference_claim, image_claims
from tdrec.image_summary import Difference, summarise_images
from tdrec.statistics import Interval

NOISE = (-0.001, 0.0, 0.001)
# By how much a label's accuracy is above scratch's, by task.
EFFECTS = {
    "FD": {"a": 0.02, "b": 0.02, "c": -0.02},
    "LD": {"a": 0.0001, "b": 0.0001},
    "TD k=2": {"a": 0.03, "b": 0.03, "c": 0.03},
}


def said(rows):
    return {label.name: sentences for label, sentences in image_claims(summarise_images(rows))}


@pytest.fixture(scope="module")
def sentences():
    rows = []
    for task in "abc":
        for seed, noise in enumerate(NOISE):
            rows.append(make_image_row(task, "Scratch", seed, 0.7))
            for label, effects in EFFECTS.items():
                if task in effects:
                    accuracy = 0.7 + effects[task] + noise
                    rows.append(make_image_row(task, label, seed, accuracy))
    return said(rows)


def test_every_student_is_spoken_of_in_the_order_of_methods(sentences):
    assert list(sentences) == ["Scratch", "LD", "FD", "TD k=2"]
    assert sentences["Scratch"] == ["Scratch is the student without distillation."]


def test_gains_losses_and_nothing_shown_are_said_alike(sentences):
    assert sentences["TD k=2"][0].startswith("TD k=2 is better than scratch in the mean of 3 tasks")
    assert "by 0.0300 (95% interval 0.0275 to 0.0325)." in sentences["TD k=2"][0]
    assert sentences["FD"][1] == (
        "Higher accuracy than scratch in 2 of 3 tasks; by intervals better in 2, worse in 1."
    )
    assert sentences["FD"][2] == "Negative transfer on c."
    assert sentences["LD"][0] == (
        "No difference between LD and scratch is shown in the mean of 2 common tasks: the accuracy "
        "of LD is 0.0001 higher (95% interval −0.0024 to +0.0026)."
    )


def test_td_is_held_against_each_other_method_in_the_widest_mean(sentences):
    assert sentences["TD k=2"][2:] == [
        "Against the other methods in the mean of 3 tasks: better than FD.",
        "Against the other methods in the mean of 2 common tasks: better than LD.",
        "Highest mean accuracy of the students on a, b and c.",
    ]
    assert not any("Against" in text for text in sentences["FD"])


def test_where_td_loses_it_is_said():
    rows = [make_image_row(label="Scratch", seed=seed, accuracy=0.7) for seed in range(3)]
    for label, effect in (("FD", 0.02), ("FitNet", 0.0), ("TD k=1", -0.02), ("TD k=2", 0.0)):
        rows += [
            make_image_row(label=label, seed=seed, accuracy=0.7 + effect + noise)
            for seed, noise in enumerate(NOISE)
        ]
    found = said(rows)
    assert found["TD k=1"][0].startswith("TD k=1 is worse than scratch on cifar10 by 0.0200")
    assert "Negative transfer on cifar10." in found["TD k=1"]
    expected = "Against the other methods on cifar10: worse than FD, FitNet and TD k=2."
    assert expected in found["TD k=1"]
    # noise that both share cancels: the same accuracies are no difference
    assert (
        "better than TD k=1; worse than FD; no difference shown from FitNet." in found["TD k=2"][1]
    )
    assert "the same to four decimals" in found["TD k=2"][0]


def test_one_seed_shows_no_difference():
    found = said(make_image_rows(("a",), ("Scratch", "FD", "TD k=2"), seeds=1))
    assert found["FD"][0].startswith(
        "No difference between FD and scratch can be shown on a by one"
    )
    assert "one seed only, so that no difference can be shown, beside FD." in found["TD k=2"][1]


def test_without_scratch_nothing_is_claimed_against_it():
    found = said(make_image_rows(("a",), ("FD", "TD k=2")))
    assert found["FD"][0] == "FD is not yet compared with scratch."
    assert any(text.startswith("Against the other methods on a:") for text in found["TD k=2"])


def test_where_a_run_diverged_the_other_tasks_are_claimed_each():
    rows = make_image_rows(("a", "b", "c"), ("Scratch", "FD"), without_labels=())
    rows[-1]["accuracy"] = None
    sentences = said(rows)["FD"]
    assert "on a" in sentences[0] and "on b" in sentences[1]
    assert "of 2 tasks" in sentences[2] and "Runs diverged on c." in sentences


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (
            Difference(0.0121, Interval(0.0121, 0.0043, 0.0199), 5),
            "TD is better than FD on x by 0.0121 (95% interval 0.0043 to 0.0199).",
        ),
        (
            Difference(-0.0121, Interval(-0.0121, -0.0199, -0.0043), 5),
            "TD is worse than FD on x by 0.0121 (95% interval 0.0043 to 0.0199).",
        ),
        (
            Difference(-0.002, Interval(-0.002, -0.006, 0.002), 5),
            "No difference between TD and FD is shown on x: the accuracy of TD is 0.0020 lower "
            "(95% interval −0.0060 to +0.0020).",
        ),
        (
            Difference(0.00001, None, 1),
            "No difference between TD and FD can be shown on x by one seed: the accuracy of TD is "
            "the same to four decimals.",
        ),
    ],
)
def test_a_claim_can_be_quoted(difference, expected):
    assert difference_claim("TD", "FD", "on x", difference) == expected
