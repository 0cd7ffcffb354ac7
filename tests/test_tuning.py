import math
from dataclasses import replace

import pytest

from tdrec import tuning
from tdrec.data import split_by_time
from tdrec.evaluation import DivergedError, Scores
from tdrec.experiment import Experiment
from tdrec.tuning import tune, with_tuned
from test_experiment import SMALL

FORTY = replace(SMALL, steps=40)
"""Steps after which a student is looked at."""


def scores(squared_error):
    """Of users with one validation row each."""
    users = len(squared_error)
    by_user = {
        "ids": list(range(users)),
        "rows": [1] * users,
        "squared_error": list(squared_error),
    }
    return Scores(math.sqrt(sum(squared_error) / users), None, None, by_user)


@pytest.fixture(scope="module")
def experiment(ratings, cache):
    return Experiment(split_by_time(ratings).train, FORTY, cache, 0.2)


@pytest.fixture(autouse=True)
def short_trials(monkeypatch):
    monkeypatch.setattr(tuning, "MAX_STEPS", 80)


@pytest.fixture(scope="module")
def chosen(experiment, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "MAX_STEPS", 80)
        return tune(experiment, "Drama", "ld", 6, tmp_path_factory.mktemp("whole") / "journal")


def test_the_figure_is_that_of_the_chosen_values(experiment, chosen):
    assert 1e-3 <= chosen.values["learning_rate"] <= 1e-2
    assert 0.1 <= chosen.values["user_dropout"] <= 0.7
    assert 0.1 <= chosen.values["weight"] <= 30
    assert chosen.values["steps"] in (40, 80)
    config = with_tuned(FORTY, "ld", chosen.values)
    again = experiment.with_config(config).run("Drama", "ld", 0)
    assert again.row["rmse"] == pytest.approx(chosen.rmse, abs=1e-5)
    assert again.row["by_user"]["ids"] == chosen.by_user["ids"]
    squared = again.row["by_user"]["squared_error"]
    assert squared == pytest.approx(chosen.by_user["squared_error"], abs=1e-4)


def test_the_first_trial_has_the_defaults(experiment, tmp_path):
    chosen = tune(experiment, "Drama", "scratch", 1, tmp_path / "journal")
    assert chosen.values["learning_rate"] == SMALL.learning_rate
    assert chosen.values["user_dropout"] == SMALL.id_dropout["user"]


def test_a_killed_search_ends_like_one_left_alone(experiment, chosen, tmp_path, monkeypatch):
    real, calls = Experiment.run, []

    def killed(self, *arguments):
        calls.append(arguments)
        if len(calls) in (1, 3, 4):
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(Experiment, "run", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            tune(experiment, "Drama", "ld", 6, tmp_path / "journal")
    assert tune(experiment, "Drama", "ld", 6, tmp_path / "journal") == chosen
    assert len(calls) == 3 + 6
    # What is done is not done again.
    assert tune(experiment, "Drama", "ld", 6, tmp_path / "journal") == chosen
    assert len(calls) == 3 + 6


@pytest.mark.parametrize(
    ("of_others", "winner"),
    [
        ([0.9] * 20, "another"),  # better for every user
        ([0.2, 1.7] * 10, "the defaults"),  # better in the mean, by chance of who was asked
        ([1.1] * 20, "the defaults"),
    ],
)
def test_the_defaults_stay_where_no_trial_is_shown_to_be_better(
    experiment, tmp_path, monkeypatch, of_others, winner
):
    def run(self, genre, method, seed, watch):
        default = self.config.learning_rate == SMALL.learning_rate
        watch(40, scores([1.0] * 20 if default else of_others))

    monkeypatch.setattr(Experiment, "run", run)
    chosen = tune(experiment, "Drama", "scratch", 4, tmp_path / "journal")
    is_default = chosen.values["learning_rate"] == SMALL.learning_rate
    assert is_default == (winner == "the defaults")
    assert chosen.rmse == pytest.approx(1.0 if is_default else math.sqrt(0.9))


@pytest.mark.parametrize(
    ("later", "steps"),
    [
        ([0.9] * 20, 80),  # better for every user
        ([0.2, 1.7] * 10, 40),  # better in the mean, by chance of who was asked
        ([1.1] * 20, 40),
    ],
)
def test_the_default_steps_stay_where_no_others_are_shown_to_be_better(
    experiment, tmp_path, monkeypatch, later, steps
):
    def run(self, genre, method, seed, watch):
        watch(40, scores([1.0] * 20))
        watch(80, scores(later))

    monkeypatch.setattr(Experiment, "run", run)
    chosen = tune(experiment, "Drama", "scratch", 1, tmp_path / "journal")
    assert chosen.values["steps"] == steps
    assert chosen.rmse == pytest.approx(math.sqrt(0.9) if steps == 80 else 1.0)


def test_no_trial_ends_before_the_default_steps(experiment, tmp_path, monkeypatch):
    def run(self, genre, method, seed, watch):
        assert self.config.steps == 200  # more than other trials have
        assert all(watch(step, scores([1.0, 1.0])) for step in range(40, 200, 40))

    monkeypatch.setattr(tuning, "PATIENCE", 40)
    monkeypatch.setattr(Experiment, "run", run)
    long = experiment.with_config(replace(SMALL, steps=200))
    assert tune(long, "Drama", "scratch", 1, tmp_path / "journal").values["steps"] == 200


def test_a_trial_that_diverges_is_no_winner(experiment, tmp_path, monkeypatch):
    real = Experiment.run

    def diverging(self, genre, method, seed, watch):
        if self.config.learning_rate != SMALL.learning_rate:
            raise DivergedError("There must be one finite prediction for each row.")
        return real(self, genre, method, seed, watch)

    monkeypatch.setattr(Experiment, "run", diverging)
    chosen = tune(experiment, "Drama", "scratch", 3, tmp_path / "journal")
    assert chosen.values["learning_rate"] == SMALL.learning_rate
    assert math.isfinite(chosen.rmse)


def test_label_distillation_is_searched_only_where_it_is_asked_for(
    experiment, tmp_path, monkeypatch
):
    seen = []

    def run(self, genre, method, seed, watch):
        seen.append(self.config.arguments("td"))
        watch(40, scores([1.0, 1.0]))

    monkeypatch.setattr(Experiment, "run", run)
    of_td = {"interaction_weight", "message_weight", "state_weight"}
    always = {"learning_rate", "user_dropout", "steps"}
    assert set(tune(experiment, "Drama", "td", 2, tmp_path / "td").values) == of_td | always
    assert all("label_weight" not in arguments for arguments in seen)
    both = experiment.with_config(replace(SMALL, methods={"td": {"label_weight": 2.0}}))
    found = tune(both, "Drama", "td", 2, tmp_path / "both").values
    assert set(found) - of_td - always == {"label_weight"}
    # The first trial has the value that the study gave.
    assert seen[2]["label_weight"] == 2.0 != seen[3]["label_weight"]


def test_units_are_dropped_where_no_ids_are(experiment, tmp_path, monkeypatch):
    seen = []

    def run(self, genre, method, seed, watch):
        seen.append(self.config.student.dropout)
        better = 0.5 if seen[-1] else 1.0  # for every user
        watch(40, scores([better] * 20))

    monkeypatch.setattr(Experiment, "run", run)
    plain = experiment.with_config(replace(FORTY, id_dropout={}))
    chosen = tune(plain, "Drama", "scratch", 8, tmp_path / "journal")
    assert set(chosen.values) == {"learning_rate", "dropout", "steps"}
    assert seen[0] == 0.0 and set(seen) == set(tuning.UNIT_DROPOUT)
    assert chosen.values["dropout"] == 0.3
    config = with_tuned(plain.config, "scratch", chosen.values)
    assert config.student == replace(FORTY.student, dropout=0.3)
    assert config.id_dropout == {}


def test_a_loss_that_was_dropped_stays_dropped():
    config = with_tuned(SMALL, "td", {"interaction_weight": 3.0, "steps": 40})
    assert config.arguments("td")["interaction_weight"] == 3.0
    assert config.arguments("td")["rounds"] == SMALL.arguments("td")["rounds"]
    assert config.steps == 40
    assert config.id_dropout == SMALL.id_dropout
    assert config.learning_rate == SMALL.learning_rate
