"""Tests of sentences: each says what its comparison says, whether it pleases or not."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study_rows import make_row, make_rows
from tdrec.report.claims import claim, claims, not_shown, where
from tdrec.report.section import make_sections
from tdrec.studies.comparison import Comparison, Estimate
from tdrec.studies.metric import ACCURACY, RMSE


def section_of(values, seeds=3):
    rows = [
        make_row(task, label, seed, value, "accuracy")
        for task, by_label in values.items()
        for label, of in by_label.items()
        for seed, value in enumerate(of[:seeds])
    ]
    (section,) = make_sections(rows, ACCURACY)
    return section


VALUES = {
    "a": {"Scratch": [0.5, 0.6, 0.7], "LD": [0.6, 0.71, 0.8], "FD": [0.4, 0.51, 0.6]},
    "b": {"Scratch": [0.5, 0.6, 0.7], "LD": [0.55, 0.6, 0.64], "FD": [0.41, 0.5, 0.59]},
}


@pytest.mark.parametrize(
    ("metric", "difference", "verdict", "expected"),
    [
        (RMSE, (-0.0012, -0.0021, -0.0004), "better", "is better than B on x by 0.0012 (95% "
         "interval 0.0004 to 0.0021)."),
        (ACCURACY, (-0.0012, -0.0021, -0.0004), "worse", "is worse than B on x by 0.0012 (95% "
         "interval 0.0004 to 0.0021)."),
        (RMSE, (-0.0003, -0.0012, 0.0005), "unclear", "the RMSE of A is 0.0003 lower (95% "
         "interval −0.0012 to +0.0005)."),
        (ACCURACY, (0.00001, -0.0012, 0.0005), "unclear", "the accuracy of A is the same to 4 "
         "decimals (95% interval −0.0012 to +0.0005)."),
        (ACCURACY, (0.0123, None, None), "one seed", "A and B on x: the accuracy of A is 0.0123 "
         "higher; one seed: no verdict."),
    ],
)  # fmt: skip
def test_a_claim_says_its_verdict(metric, difference, verdict, expected):
    compared = Comparison("x", "A", "B", Estimate(*difference), Estimate(1.0), verdict, 3)
    text = claim(compared, metric)
    assert text.endswith(expected)
    assert text.startswith("No difference between A and B is shown on x") == (verdict == "unclear")


def test_places_in_words():
    assert where("Drama") == "on Drama" and where("Meant") == "on Meant"
    assert where("Mean of 2 common tasks") == "in the mean of 2 common tasks"


def test_claims_count_what_the_tasks_show():
    section = section_of(VALUES)
    found = {label.name: said for label, said in claims(section)}
    assert list(found) == ["Scratch", "LD", "FD"]
    assert found["Scratch"] == [
        *("Scratch is a student without distillation.", "Best accuracy of the students on b.")
    ]
    assert "Better than scratch on 1 of 2 tasks, no difference shown on 1." in found["LD"]
    assert "Best accuracy of the students on a." in found["LD"]
    assert found["FD"][0].startswith("FD is worse than Scratch in the mean of 2 tasks by 0.0983 (")
    assert "Better than scratch on 0 of 2 tasks, worse on 2." in found["FD"]
    assert "Negative transfer on a and b." in found["FD"]
    assert not any("Negative transfer" in text for text in found["LD"])
    assert any(
        x.startswith("Against the best other method: LD is better than FD") for x in found["LD"]
    )


def test_one_seed_gives_a_figure_and_no_verdict():
    section = section_of(VALUES, seeds=1)
    for label, said in claims(section):
        text = " ".join(said)
        assert "better than Scratch" not in text and "worse than" not in text
        assert "Negative transfer" not in text
        if label.is_distilled:
            assert said[0].endswith("one seed: no verdict.")
            assert "Better than scratch on 0 of 2 tasks, one seed and no verdict on 2." in said
    assert "against scratch, one seed and no verdict: LD and FD." in " ".join(not_shown([section]))


def test_without_a_mean_the_claim_is_of_each_task():
    values = {"a": VALUES["a"], "b": {"Scratch": [0.5, 0.6, 0.7], "FD": [0.4, 0.5, 0.6]}}
    (_, ld, fd) = claims(section_of(values))
    assert ld[1][0].startswith("LD is better than Scratch on a by ")
    assert fd[1][0].startswith("FD is worse than Scratch in the mean of 2 tasks by ")
    (alone,) = claims(section_of({"a": {"LD": [0.5]}}))
    assert alone[1] == ["LD is not yet compared with scratch."]


def test_diverged_runs_are_said():
    values = {**VALUES, "b": {**VALUES["b"], "LD": [0.5, None, 0.6]}}
    (_, ld, _) = claims(section_of(values))
    assert "1 of 3 runs diverged on b." in ld[1]


def test_the_recovered_share_stands_where_the_teacher_is_better():
    def said(gain):
        with patch.dict("study_rows.GAINS", {"Teacher": gain, "LD": 0.02}):
            rows = make_rows(("Teacher", "Scratch", "LD"), tasks=2, seeds=3, users=60)
        (section,) = make_sections(rows, RMSE)
        return " ".join(claims(section)[1][1]), section.recovered

    text, found = said(0.05)
    share = found["Mean of 2 tasks", "LD"]
    assert f"Share of the gap to the teacher recovered: {100 * share.value:.0f}\u00a0% (95%" in text
    text, found = said(-0.05)
    assert "recovered" not in text and not found


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=2),
    st.integers(1, 4),
    st.integers(0, 1000),
    st.sampled_from([RMSE, ACCURACY]),
)
def test_no_sentence_contradicts_a_verdict(gains, seeds, generator, metric):
    if metric == RMSE:
        with patch.dict("study_rows.GAINS", {"LD": gains[0] / 10, "FD": gains[1] / 10}):
            rows = make_rows(
                ("Bias", "Scratch", "LD", "FD"), tasks=2, seeds=seeds, users=12, generator=generator
            )
    else:
        rows = [
            make_row(
                task, label, seed, 0.5 + gain + ((seed * 7 + generator + i) % 5) / 50, "accuracy"
            )
            for i, task in enumerate("ab")
            for label, gain in zip(("Scratch", "LD", "FD"), (0.0, *gains), strict=True)
            for seed in range(seeds)
        ]
    (section,) = make_sections(rows, metric)
    quiet = not_shown([section])
    for label, said in claims(section):
        for kind, versus in section.versus.items():
            for (place, name), compared in versus.items():
                if name != label.name:
                    continue
                low, high = compared.difference.low, compared.difference.high
                shown = low is not None and (low > 0 or high < 0)
                assert (compared.verdict in ("better", "worse")) == shown
                sentence = claim(compared, metric)
                assert (f"{name} is better than" in sentence) == (compared.verdict == "better")
                assert (f"{name} is worse than" in sentence) == (compared.verdict == "worse")
                is_overall = place in section.overall
                other = {"scratch": "scratch", "best": "the best", "bias": "the bias"}[kind]
                listed = any(f"against {other}" in x and name in x for x in quiet)
                assert not is_overall or listed == (compared.verdict != "better")
        hurt = [
            t for t, x in section.by_task("scratch", label.name).items() if x.verdict == "worse"
        ]
        named = [x for x in said if x.startswith("Negative transfer on ")]
        assert bool(hurt) == bool(named) and all(task in named[0] for task in hurt)
