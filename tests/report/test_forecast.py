"""A forecast is read off the one rule, and held against what came."""

import numpy as np
import pytest

from study_rows import make_rows
from tdrec.report.forecast import Record, forecast, record
from tdrec.report.section import make_sections
from tdrec.studies.comparison import Comparison, Estimate, Scores, compare, recovered
from tdrec.studies.metric import RMSE

LABELS = ("Bias", "Teacher", "Scratch", "LD", "TD k=2")


@pytest.fixture(scope="module")
def rows():
    return make_rows(LABELS, tasks=2, seeds=3, users=60)


def scores(rows, task, label):
    return Scores.of([row for row in rows if (row.task, row.label) == (task, label)], RMSE)


@pytest.mark.parametrize("tasks", [["Drama"], ["Drama", "Comedy"]])
def test_it_is_what_the_rule_says(rows, tasks):
    (section,) = make_sections(rows, RMSE)
    place = tasks[0] if len(tasks) == 1 else "Mean of 2 tasks"
    for label in section.distilled:
        found = forecast(section, place, label)
        triples = [
            [scores(rows, task, name) for name in (label.name, "Scratch", "Teacher")]
            for task in tasks
        ]
        assert (found.place, found.label) == (place, label.name)
        gap = compare([(teacher, scratch) for _, scratch, teacher in triples], RMSE)
        gain = compare([(own, scratch) for own, scratch, _ in triples], RMSE)
        for one, other in ((found.gap, gap), (found.gain, gain)):
            assert (one.difference, one.verdict) == (other.difference, other.verdict)
        assert (found.gap.label, found.gap.other, found.gap.place) == ("Teacher", "Scratch", place)
        assert found.share == recovered([tuple(each) for each in triples], RMSE)


def test_scratch_gains_nothing_and_without_a_teacher_there_is_no_gap(rows):
    (section,) = make_sections(rows, RMSE)
    found = forecast(section, "Drama", section.by_method("scratch"))
    assert found.gain is None and found.share is None and found.gap is not None
    (section,) = make_sections([row for row in rows if row.label != "Teacher"], RMSE)
    found = forecast(section, "Drama", section.by_method("ld"))
    assert found.gap is None and found.share is None and found.gain is not None


def comparison(value, verdict):
    return Comparison("War", "LD", "Scratch", Estimate(value), Estimate(-value), verdict, 3)


def test_the_record_counts_by_what_was_foretold():
    told = [(-0.2, "better"), (-0.1, "better"), (0.1, "worse"), (0.1, "unclear"), (-1, "unclear")]
    came = [(-0.1, "better"), (0.1, "worse"), (0.0, "unclear"), (-0.1, "better"), (-2, "unclear")]
    pairs = [(comparison(*one), comparison(*other)) for one, other in zip(told, came, strict=True)]
    assert record(pairs) == [
        Record("better", cases=2, same_sign=1, better=1, worse=1),
        Record("worse", cases=1, same_sign=0, better=0, worse=0),
        Record("unclear", cases=2, same_sign=1, better=1, worse=0),
    ]
    assert sum(each.cases for each in record(pairs)) == len(pairs)
    signs = np.sign([one[0] * other[0] for one, other in zip(told, came, strict=True)])
    assert sum(each.same_sign for each in record(pairs)) == (signs > 0).sum()
