"""Tests of sentences: they say what the comparisons say, pleasant or not."""

import dataclasses

import pytest

from result_rows import make_study_rows
from tdrec.statistics import Comparison, Interval
from tdrec.study_claims import (
    claims,
    claims_by_genre,
    not_shown,
    percent_interval,
    where,
)
from tdrec.study_summary import MEAN, SPARSE, Duel, Study, summarise_study

BETTER = Comparison(Interval(-0.0012, -0.0021, -0.0004), Interval(0.12, 0.04, 0.21))
WORSE = Comparison(Interval(0.0012, 0.0004, 0.0021), Interval(-0.12, -0.21, -0.04))
UNCLEAR = Comparison(Interval(-0.0003, -0.0010, 0.0005), Interval(0.03, -0.05, 0.1))


@pytest.fixture(scope="module")
def section():
    labels = ("Bias", "Scratch", "LD", "TD k=2")
    rows = make_study_rows(labels, genres=3, seeds=2, users=40)
    return summarise_study(rows).sections[0]


def with_duels(section, scratch, best=(UNCLEAR,) * 4, bias=(UNCLEAR,) * 4):
    """The section with TD's comparisons on three genres and in the mean set to these."""
    places = section.places

    def duels(other, comparisons):
        pairs = zip(places, comparisons, strict=True)
        return {"TD k=2": {place: Duel(other, comparison) for place, comparison in pairs}}

    return dataclasses.replace(
        section,
        scratch=section.scratch | duels("Scratch", scratch),
        best=section.best | duels("LD", best),
        bias=section.bias | duels("Bias", bias),
    )


def said(section, label="TD k=2"):
    return {found.name: sentences for found, sentences in claims(section)}[label]


def test_every_student_is_spoken_of_and_no_reference(section):
    assert [label.name for label, _ in claims(section)] == ["Scratch", "LD", "TD k=2"]
    assert said(section, "Scratch")[0] == "Scratch is the student without distillation."
    assert said(section, "Scratch")[1].startswith("Lower RMSE than the bias model in")


def test_claims_name_the_mean_the_wins_and_negative_transfer(section):
    comparisons = (BETTER, WORSE, UNCLEAR, BETTER)
    sentences = said(with_duels(section, comparisons, best=(UNCLEAR, WORSE, WORSE, WORSE)))
    assert sentences[:2] == [
        "TD k=2 is better than scratch in the mean over 3 genres by 0.0012 "
        "(95% interval 0.0004 to 0.0021).",
        "Relative improvement: +0.12% (95% interval +0.04% to +0.21%).",
    ]
    rest = [sentence for sentence in sentences[2:] if "over seeds" not in sentence]
    assert rest == [
        "Lower RMSE than scratch in 2 of 3 genres; by intervals better in 1, worse in 1, "
        "no difference shown in 1.",
        "Negative transfer in Comedy.",
        "Against the best other method: TD k=2 is worse than LD in the mean over 3 genres by "
        "0.0012 (95% interval 0.0004 to 0.0021).",
        "Lower RMSE than the best other method in 1 of 3 genres; by intervals worse in 2, "
        "no difference shown in 1.",
        "Lower RMSE than the bias model in 3 of 3 genres; by intervals no difference shown in 3.",
    ]


def test_a_difference_that_seeds_do_not_bear_out_says_so(section):
    def caveats(improvement, error):
        total = dataclasses.replace(
            section.summary.totals["TD k=2"], improvement=improvement, improvement_se=error
        )
        totals = section.summary.totals | {"TD k=2": total}
        changed = dataclasses.replace(
            section, summary=dataclasses.replace(section.summary, totals=totals)
        )
        found = said(with_duels(changed, (BETTER,) * 4))
        return [text for text in found if "over seeds" in text or "One seed" in text]

    assert caveats(0.12, 0.05) == []
    assert "within twice its standard error of 0.07%" in caveats(0.12, 0.07)[0]
    assert caveats(0.12, None) == [
        "One seed only: how far this is chance in training is not known."
    ]


def test_claims_by_genre_are_sentences_to_quote(section):
    changed = with_duels(section, (BETTER, WORSE, UNCLEAR, BETTER))
    label = section.distilled[1]
    assert claims_by_genre(changed, label)[0] == (
        "TD k=2 is better than scratch on Drama by 0.0012 (95% interval 0.0004 to 0.0021)."
    )
    assert len(claims_by_genre(changed, label)) == 3


def test_what_was_not_shown_is_listed(section):
    worse = with_duels(section, (WORSE,) * 4, bias=(BETTER,) * 4)
    worse = dataclasses.replace(
        worse,
        scratch={"LD": {MEAN: Duel("Scratch", UNCLEAR)}, "TD k=2": worse.scratch["TD k=2"]},
        best={"TD k=2": {MEAN: Duel("LD", UNCLEAR)}, "LD": {MEAN: Duel("TD k=2", BETTER)}},
        bias={"TD k=2": {MEAN: Duel("Bias", BETTER)}},
    )
    assert not_shown(Study("table3", (worse,))) == [
        "Strong regime, in the mean over 3 genres, against scratch: no difference from it shown "
        "for LD; shown to be worse: TD k=2.",
        "Strong regime, in the mean over 3 genres, against the best other method: no difference "
        "from it shown for TD k=2.",
    ]


def test_variants_are_spoken_of_beside_their_methods_default(section):
    assert not any("default" in text for _, texts in claims(section) for text in texts)
    places = {place: Duel("TD k=3", BETTER) for place in section.places}
    found = dataclasses.replace(section, default={"TD k=2": places | {MEAN: Duel("TD", UNCLEAR)}})
    sentence = (
        "Against its method's default: No difference between TD k=2 and TD is shown in the mean "
        "over 3 genres: the RMSE of TD k=2 is 0.0003 lower (95% interval −0.0010 to +0.0005)."
    )
    assert said(found).count(sentence) == 1
    assert (
        "in the mean over 3 genres, against the method's default: no difference from it shown "
        "for TD k=2." in " ".join(not_shown(Study("controls", (found,))))
    )


def test_places_in_words(section):
    assert where(section, "War") == "on War"
    assert where(section, SPARSE) == "in the mean over the four sparsest genres"
    summary = dataclasses.replace(section.summary, complete=("War",))
    assert where(dataclasses.replace(section, summary=summary), MEAN) == "on War"


def test_a_student_without_scratch_is_not_compared():
    rows = make_study_rows(("LD",), genres=1, seeds=1, users=20)
    (section,) = summarise_study(rows).sections
    assert said(section, "LD") == ["Not yet compared with scratch."]


def test_diverged_runs_are_spoken_of():
    rows = make_study_rows(("Scratch", "LD"), genres=2, seeds=1, users=30)
    rows[1]["rmse"] = None
    (section,) = summarise_study(rows).sections
    assert "Runs diverged in 1 of 2 genres." in said(section, "LD")


def test_an_interval_in_percent():
    assert percent_interval(UNCLEAR.improvement) == "+0.03% (95% interval −0.05% to +0.10%)"
