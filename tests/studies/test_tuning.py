"""Tests of tuning: what is searched, what is chosen, and that a killed search ends the same."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from small_movielens import SMALL
from tdrec.studies import tuning
from tdrec.studies.metric import RMSE, Metric
from tdrec.studies.row import Units
from tdrec.studies.task import Result, Score, Session
from tdrec.studies.tuning import Objective, as_validation, scores_of, tune
from tdrec.tasks.genre import GenreTask
from tdrec.tasks.ratings.config import UNIT_DROPOUT
from toy_task import ToyTask

FORTY = replace(SMALL, steps=40)
"""Steps after which a student is looked at."""


class Scripted(Session):
    """A session whose students do what a test says: each step's sums over users of one row."""

    def __init__(self, script, metric=RMSE):
        self.script, self.metric, self.seen, self.looks = script, metric, [], []

    def run(self, task, config, method, seed, watch=None, keep=False):
        self.seen.append(config)
        for step, sums in self.script(config).items():
            if sums is None:
                return Result(None, 1, 1, reason="a loss was not finite")
            self.looks.append(step)
            if not watch(step, score(sums, self.metric)):
                break
        return Result(score([1.0], self.metric), 1, 1)


class Recall(GenreTask):
    metric: ClassVar[Metric] = Metric("recall", "Recall", better="higher", unit="user")


def score(sums, metric=RMSE):
    units = Units(list(range(len(sums))), [1] * len(sums), list(sums))
    mean = float(np.mean(sums))
    return Score(mean**0.5 if metric.root else mean, units)


def search(session, trials, config=FORTY, method="scratch", task=None, known=()):
    """What a search ends with, and what it emitted."""
    lines = []
    task = task or GenreTask("Drama", "simulated", validation=True)
    found = tune(Objective(session, task, config, method), trials, known, lines.append)
    return found, lines


def is_default(config):
    return config.learning_rate == SMALL.learning_rate


@pytest.fixture(autouse=True)
def short_trials(monkeypatch):
    monkeypatch.setattr(tuning, "MAX_STEPS", 80)


@pytest.fixture(scope="module")
def earlier(data):
    return GenreTask("Drama", data).earlier()


@pytest.fixture(scope="module")
def session(earlier, cache):
    return earlier.open(cache)


@pytest.fixture(scope="module")
def whole(session, earlier):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "MAX_STEPS", 80)
        return search(session, 5, method="ld", task=earlier)


def test_the_figure_is_that_of_the_chosen_values(session, earlier, whole):
    chosen, lines = whole
    assert 1e-3 <= chosen.values["learning_rate"] <= 1e-2
    assert 0.1 <= chosen.values["user_dropout"] <= 0.7
    assert 0.1 <= chosen.values["weight"] <= 30
    assert chosen.values["steps"] in (40, 80) and len(lines) == 5
    config = FORTY.tuned("ld", chosen.values)
    again = session.run(earlier, config, "ld", tuning.SEED).score
    assert again.value == pytest.approx(chosen.validation["value"], abs=1e-5)
    assert list(again.units.ids) == chosen.validation["units"]["ids"]
    assert again.units.sums == pytest.approx(chosen.validation["units"]["sums"], abs=1e-4)
    # All of it is data that a row can hold.
    assert json.loads(json.dumps(chosen.validation)) == chosen.validation


@pytest.mark.parametrize("done", [1, 4, 5])
def test_a_killed_search_ends_like_one_left_alone(session, earlier, whole, done):
    found, lines = search(session, 5, method="ld", task=earlier, known=whole[1][:done])
    assert found == whole[0]
    assert lines == whole[1][done:]  # what is done is not done again


def test_a_long_search_ends_alike_wherever_it_was_killed():
    task = ToyTask("one").earlier()

    def toy(known=()):
        return search(task.open(None), 12, ToyTask.presets["toy"], "ld", task, known)

    whole, lines = toy()
    values = [json.loads(line)["value"] for line in lines]
    assert min(values) < whole.validation["value"]  # by chance, of so many
    assert whole.values == {"learning_rate": 0.01, "steps": 40}
    for done in range(1, 13):
        assert toy(lines[:done]) == (whole, lines[done:])


def test_a_search_of_fewer_trials_is_the_beginning_of_one_of_more(session, earlier, whole):
    found, lines = search(session, 1, method="ld", task=earlier, known=whole[1])
    assert lines == []
    assert {k: v for k, v in found.values.items() if k != "steps"} == FORTY.values("ld")


@pytest.mark.parametrize("method", ["scratch", "hybrid", "td"])
def test_the_first_trial_has_the_defaults(method):
    session = Scripted(lambda config: {40: [1.0, 1.0]})
    config = replace(FORTY, methods={})
    found, _ = search(session, 1, config, method)
    assert session.seen == [replace(config.tuned(method, config.values(method)), steps=80)]
    assert found.values == {**config.values(method), "steps": 40}


@pytest.mark.parametrize("changes", [{"learning_rate": 0.05}, {"id_dropout": {"user": 0.0}}])
def test_a_search_may_begin_outside_of_what_is_searched(changes):
    config = replace(FORTY, **changes)

    def run(known=()):
        session = Scripted(lambda config: {40: [1.0] * 20})
        return search(session, 3, config, "ld", known=known)

    whole, lines = run()
    assert whole.values == {**config.values("ld"), "steps": 40}
    assert run(lines[:1]) == (whole, lines[1:])


@pytest.mark.parametrize(
    ("of_others", "is_chosen"),
    [
        ([0.9] * 20, True),  # better for every user
        ([0.2, 1.7] * 10, False),  # better in the mean, by chance of who was asked
        ([1.1] * 20, False),
    ],
)
def test_the_defaults_stay_where_no_trial_is_shown_to_be_better(of_others, is_chosen):
    session = Scripted(lambda config: {40: [1.0] * 20 if is_default(config) else of_others})
    found, _ = search(session, 4)
    assert (found.values["learning_rate"] != SMALL.learning_rate) == is_chosen
    assert found.validation["value"] == pytest.approx(0.9**0.5 if is_chosen else 1.0)


@pytest.mark.parametrize(("of_others", "is_chosen"), [([1.2] * 20, True), ([0.8] * 20, False)])
def test_where_more_is_better_the_highest_is_sought(of_others, is_chosen):
    def script(config):
        return {40: [1.0] * 20 if is_default(config) else of_others, 80: [0.5] * 20}

    session = Scripted(script, Recall.metric)
    task = Recall("Drama", "simulated", validation=True)
    found, _ = search(session, 4, task=task)
    assert (found.values["learning_rate"] != SMALL.learning_rate) == is_chosen
    assert found.values["steps"] == 40
    assert found.validation["value"] == pytest.approx(1.2 if is_chosen else 1.0)


@pytest.mark.parametrize(
    ("later", "steps"),
    [
        ([0.9] * 20, 80),  # better for every user
        ([0.2, 1.7] * 10, 40),  # better in the mean, by chance of who was asked
        ([1.1] * 20, 40),
    ],
)
def test_the_default_steps_stay_where_no_others_are_shown_to_be_better(later, steps):
    found, _ = search(Scripted(lambda config: {40: [1.0] * 20, 80: later}), 1)
    assert found.values["steps"] == steps
    assert found.validation["value"] == pytest.approx(0.9**0.5 if steps == 80 else 1.0)


def test_no_trial_ends_before_the_default_steps(monkeypatch):
    monkeypatch.setattr(tuning, "PATIENCE", 40)
    session = Scripted(lambda config: {step: [1.0, 1.0] for step in range(40, 360, 40)})
    found, _ = search(session, 1, replace(SMALL, steps=200))
    assert session.looks == [40, 80, 120, 160, 200]  # then it had not been better for 40 steps
    assert session.seen[0].steps == 200 == found.values["steps"]  # more than other trials have


def test_a_trial_that_diverges_is_no_winner():
    session = Scripted(lambda config: {40: [1.0] * 20 if is_default(config) else None})
    found, lines = search(session, 3)
    assert found.values["learning_rate"] == SMALL.learning_rate
    assert found.validation["value"] == 1.0
    assert [json.loads(line)["state"] for line in lines] == ["COMPLETE", "PRUNED", "PRUNED"]
    # Nor does it change what comes after a kill.
    assert search(session, 3, known=lines[:2]) == (found, lines[2:])


def test_where_the_defaults_diverge_what_does_not_is_taken():
    session = Scripted(lambda config: {40: None if is_default(config) else [1.0] * 20})
    found, _ = search(session, 3)
    assert found.values["learning_rate"] != SMALL.learning_rate
    assert found.validation["value"] == 1.0


def test_where_all_diverge_the_defaults_are_kept_without_a_figure():
    found, lines = search(Scripted(lambda config: {40: None}), 3)
    assert found.validation is None and len(lines) == 3
    assert found.values == {**FORTY.values("scratch"), "steps": 40}


def test_a_real_student_that_diverges_is_pruned(session, earlier):
    found, (line,) = search(session, 1, replace(FORTY, learning_rate=30.0), "ld", earlier)
    assert json.loads(line)["state"] == "PRUNED" and found.validation is None


def test_a_poor_trial_is_pruned_after_some_were_finished(monkeypatch):
    monkeypatch.setattr(tuning, "PATIENCE", 80)
    trials = []

    def script(config):
        trials.append(config)
        return {step: [9.0 if len(trials) == 8 else 1.0] * 4 for step in (40, 80)}

    _, lines = search(Scripted(script), 8, replace(SMALL, steps=80))
    assert [json.loads(line)["state"] for line in lines] == ["COMPLETE"] * 7 + ["PRUNED"]
    assert len(json.loads(lines[-1])["intermediate_values"]) == 2  # not at the first look


def test_units_are_dropped_where_no_ids_are():
    def script(config):
        return {40: [0.5 if config.student.dropout else 1.0] * 20}  # better for every user

    session = Scripted(script)
    found, _ = search(session, 8, replace(FORTY, id_dropout={}))
    assert set(found.values) == {"learning_rate", "dropout", "steps"}
    dropouts = [config.student.dropout for config in session.seen]
    assert dropouts[0] == 0.0 and set(dropouts) == set(UNIT_DROPOUT)
    assert found.values["dropout"] == 0.3


def test_a_validation_score_is_a_side_of_comparisons():
    found = score([0.5, 1.0, 4.0])
    side = scores_of(json.loads(json.dumps(as_validation(found))))
    assert side.mean == found.value and side.seeds == (tuning.SEED,)
    np.testing.assert_array_equal(side.sums, [[0.5], [1.0], [4.0]])
    assert as_validation(Score(0.5)) == {"value": 0.5, "units": None}
