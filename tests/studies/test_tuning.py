"""Tuning on validation rows: what is searched, what is chosen, and what a kill costs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tdrec.studies import tuning
from tdrec.studies.metric import RMSE
from tdrec.studies.row import Units
from tdrec.studies.task import Result, Score
from tdrec.studies.tuning import Objective, scores_of, tune
from tdrec.tasks.genre import GenreTask
from toy_task import ToyTask


def toy_objective(**changes):
    task = ToyTask("one").earlier()
    config = replace(ToyTask.presets["toy"], **changes)
    return Objective(task.open(None), task, config, "ld")


def searched(objective, trials=8, known=()):
    lines = []
    return tune(objective, trials, known, lines.append), lines


def test_a_search_that_was_killed_ends_as_if_it_had_not_been():
    whole, lines = searched(toy_objective(), 12)
    assert len(lines) == 12
    for done in (1, 5, 11, 12):
        again, further = searched(toy_objective(), 12, lines[:done])
        assert again == whole
        assert further == lines[done:]


def test_the_first_trial_has_the_values_of_the_configuration():
    chosen, (line,) = searched(toy_objective(learning_rate=0.02), 1)
    assert json.loads(line)["params"] == {"learning_rate": 0.02}
    assert chosen.values == {"learning_rate": 0.02, "steps": 40}


def test_the_defaults_stay_where_nothing_is_shown_to_be_better():
    chosen, lines = searched(toy_objective(), 12)
    values = [json.loads(line)["value"] for line in lines]
    assert min(values) < chosen.validation["value"]  # by chance, of so many
    assert chosen.values == {"learning_rate": 0.01, "steps": 40}


class Improving(type(ToyTask("one").open(None))):
    """Twice as good where the learning rate is high."""

    def run(self, task, config, method, seed, watch=None, keep=False):
        squared = np.full(40, 0.5 if config.learning_rate > 0.03 else 2.0)
        squared *= np.random.default_rng(0).uniform(0.9, 1.1, 40)
        units = Units(list(range(40)), [1] * 40, squared.tolist())
        score = Score(float(np.sqrt(squared.mean())), units)
        for step in (20, 40, 60):
            watch(step, score)
        return Result(score, 10, 40)


def test_what_is_shown_to_be_better_is_taken_with_its_steps():
    objective = toy_objective()
    objective.session = Improving(True)
    chosen, lines = searched(objective, 16)
    assert chosen.values["learning_rate"] > 0.03
    assert chosen.values["steps"] == 20  # the first step at which it was best
    assert scores_of(chosen.validation).mean == pytest.approx(chosen.validation["value"])
    assert len(lines) == 16


def test_trials_that_diverge_are_pruned_and_count():
    chosen, lines = searched(toy_objective(learning_rate=5.0), 3)
    assert json.loads(lines[0])["state"] == "PRUNED"
    assert len(lines) == 3
    assert chosen.validation is not None  # of the others


def test_where_all_diverge_the_defaults_are_kept_without_a_figure():
    chosen, _ = searched(toy_objective(learning_rate=5.0), 1)
    assert chosen.validation is None
    assert chosen.values == {"learning_rate": 5.0, "steps": 40}


def test_a_genre_is_tuned_on_its_own_validation_rows(data, cache, monkeypatch):
    monkeypatch.setattr(tuning, "MAX_STEPS", 80)
    task = GenreTask("Drama", data).earlier()
    preset = GenreTask.presets["strong"]
    config = replace(preset, steps=40, teacher=replace(preset.teacher, epochs=1))
    session = task.open(cache)
    chosen, lines = searched(Objective(session, task, config, "ld"), 3)
    assert set(json.loads(lines[0])["params"]) == {"learning_rate", "user_dropout", "weight"}
    assert chosen.values["steps"] in (40, 80)
    again = session.run(task, config.tuned("ld", chosen.values), "ld", tuning.SEED)
    assert again.score.value == pytest.approx(chosen.validation["value"], abs=1e-5)
    assert RMSE.name == "rmse" and list(again.score.units.ids) == chosen.validation["units"]["ids"]
