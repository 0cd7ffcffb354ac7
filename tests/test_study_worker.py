from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock

from tdrec import tuning
from tdrec.data import split_by_time
from tdrec.experiment import Experiment
from tdrec.study_plan import Arm, Study, units
from tdrec.study_worker import Worker
from test_experiment import SMALL

STUDY = Study("t", [Arm("scratch"), Arm("ld")])


@pytest.fixture(autouse=True)
def short_trials(monkeypatch):
    monkeypatch.setattr(tuning, "MAX_STEPS", 40)


def planned():
    for unit in units(STUDY, ["strong"], ["Drama"]):
        yield replace(unit, config=replace(SMALL, methods=unit.config.methods))


def worker(ratings, folder, cache, seeds=2):
    return Worker(ratings, folder, cache, trials=2, seeds=seeds, about={"study": "t"})


def figures(rows):
    """What must not depend on how a study was run: all but measured times."""
    return [{k: v for k, v in r.items() if k not in ("train_seconds", "latency_ms")} for r in rows]


@pytest.fixture(scope="module")
def whole(ratings, cache, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "MAX_STEPS", 40)
        one = worker(ratings, tmp_path_factory.mktemp("whole"), cache)
        one.work(list(planned()))
        return list(one.rows(planned()))


def test_rows_are_those_of_the_tuned_students(whole, ratings, cache):
    found = {(row["label"], row["seed"]) for row in whole}
    students = {(label, seed) for label in ("Scratch", "LD") for seed in (0, 1)}
    assert found == students | {("Bias", None), ("Teacher", None)}
    for row in whole:
        assert row["study"] == "t"
        assert row["regime"] == "strong"
        assert row["setting"] == ""
        squared, rows = row["by_user"]["squared_error"], row["by_user"]["rows"]
        assert np.sqrt(sum(squared) / sum(rows)) == pytest.approx(row["rmse"], rel=1e-5)
    row = next(r for r in whole if r["label"] == "LD" and r["seed"] == 1)
    config = tuning.with_tuned(SMALL, "ld", row["tuned"])
    assert row["config"]["learning_rate"] == config.learning_rate == row["tuned"]["learning_rate"]
    alone = Experiment(ratings, config, cache).run("Drama", "ld", 1).row
    assert alone["rmse"] == pytest.approx(row["rmse"], rel=1e-6)


def test_a_study_killed_at_three_moments_has_the_same_rows(
    whole, ratings, cache, tmp_path, monkeypatch
):
    real, calls = Experiment.run, []

    def killed(self, *arguments):
        calls.append(arguments)
        if len(calls) in (2, 5, 9):
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(Experiment, "run", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            worker(ratings, tmp_path, cache).work(list(planned()))
    last = worker(ratings, tmp_path, cache)
    last.work(list(planned()))
    assert figures(last.rows(planned())) == figures(whole)
    before = len(calls)
    last.work(list(planned()))
    assert len(calls) == before


def test_units_of_one_teacher_share_its_experiments(ratings, cache, tmp_path, monkeypatch):
    made = []
    real = Experiment.__init__

    def counted(self, *arguments):
        made.append(arguments)
        real(self, *arguments)

    monkeypatch.setattr(Experiment, "__init__", counted)
    worker(ratings, tmp_path, cache, seeds=1).work(list(planned()))
    assert len(made) == 2  # of all rows, and of training rows to tune on


def test_what_another_has_in_hand_is_left_to_it(ratings, cache, tmp_path):
    one = worker(ratings, tmp_path, cache, seeds=1)
    bias, teacher, *_ = planned()
    (tmp_path / one.key(bias)).mkdir()
    with FileLock(tmp_path / one.key(bias) / "lock"):
        one.work([bias, teacher])
    assert [row["label"] for row in one.rows(planned())] == ["Teacher"]


def test_evaluation_rows_change_nothing_but_the_final_figure(ratings, whole, tmp_path):
    cut = split_by_time(ratings).cut
    values = np.where(ratings.timestamps >= cut, 1.0, ratings.values).astype(np.float32)
    poisoned = worker(replace(ratings, values=values), tmp_path / "units", tmp_path, seeds=1)
    poisoned.work(list(planned()))
    clean = {(row["label"], row["seed"]): row for row in whole}
    for row in poisoned.rows(planned()):
        other = clean[row["label"], row["seed"]]
        assert row["tuned"] == other["tuned"]
        assert row.get("curve") == other.get("curve")
        assert row["rmse"] != other["rmse"]
