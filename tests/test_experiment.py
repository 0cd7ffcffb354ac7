from dataclasses import asdict, replace

import keras
import numpy as np
import pytest

from tdrec.config import METHODS, REGIMES, ModelConfig
from tdrec.evaluation import BiasModel, score
from tdrec.experiment import Experiment

SMALL = replace(
    REGIMES["strong"],
    teacher=ModelConfig((16, 8), 4, 2, dropout=0.3),
    student=ModelConfig((8, 4), 2, 2),
    batch_size=64,
    steps=20,
    teacher_batch_size=256,
    teacher_epochs=2,
    methods={"td": {"rounds": 1}},  # which compiles faster
)


@pytest.fixture(scope="module")
def experiment(ratings, cache):
    """Keeps what it compiled last, so the tests that run TD on it stand one after the other."""
    return Experiment(ratings, SMALL, cache)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_student_with_a_finite_rmse(experiment, method):
    result = experiment.run("Drama", method, 0)
    row = result.row
    assert 0.3 < row["rmse"] < 3
    assert row["n_train"] == len(experiment.holdout.train.of_genre("Drama"))
    assert row["n_test"] == len(experiment.holdout.test.of_genre("Drama"))
    assert row["params"] == result.model.count_params()
    assert (row["method_params"] > 0) == (method not in ("scratch", "ld"))
    assert row["train_multiply_adds"] > row["multiply_adds"] > 0
    assert [point["step"] for point in row["curve"]] == [20]
    # The RMSE is that of the student that is handed over.
    test = experiment.holdout.test.of_genre("Drama")
    again = score(
        result.model.predict(result.encoder.encode(test), verbose=0),
        test,
        experiment.holdout.train.of_genre("Drama"),
    )
    assert again.rmse == pytest.approx(row["rmse"], abs=1e-6)


def test_another_backend_is_refused(ratings, cache, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Received: the backend 'jax'. Set KERAS_BACKEND=tens"):
        Experiment(ratings, SMALL, cache)


def test_references(experiment):
    train, test = (
        part.of_genre("War") for part in (experiment.holdout.train, experiment.holdout.test)
    )
    expected = score(BiasModel.fit(train).predict(test), test, train).rmse
    assert experiment.run("War", "bias", None).row["rmse"] == expected
    encoded = experiment.teacher_encoder.encode(test)
    expected = score(experiment.teacher("War").predict(encoded, verbose=0), test, train).rmse
    assert experiment.run("War", "teacher", None).row["rmse"] == pytest.approx(expected, abs=1e-6)


def test_a_seed_gives_the_same_student_in_any_order(ratings, cache, experiment):
    another = Experiment(ratings, SMALL, cache)
    one = [experiment.run("Drama", "td", seed).row for seed in (0, 1)]
    other = [another.run("Drama", "td", seed).row for seed in (1, 0)]
    for mine, theirs in zip(one, reversed(other), strict=True):
        assert mine["rmse"] == theirs["rmse"]
        assert mine["curve"] == theirs["curve"]
    assert one[0]["rmse"] != one[1]["rmse"]
    keras.utils.set_random_seed(9)  # as another run would
    again = experiment.run("Drama", "td", 0).row
    assert again["curve"] == one[0]["curve"]


def test_the_teacher_is_cached_and_a_changed_one_is_another(ratings, cache, experiment):
    before = experiment.teacher("Drama").get_weights()
    stamp = experiment.teacher_path("Drama").stat().st_mtime_ns
    again = Experiment(ratings, SMALL, cache)
    for a, b in zip(before, again.teacher("Drama").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.teacher_path("Drama").stat().st_mtime_ns == stamp
    changed = Experiment(ratings, replace(SMALL, teacher_learning_rate=0.1), cache)
    assert changed.teacher_path("Drama") != experiment.teacher_path("Drama")
    fewer = Experiment(ratings.take(np.arange(3000)), SMALL, cache)
    assert fewer.teacher_path("Drama") != experiment.teacher_path("Drama")


def test_the_teacher_is_not_changed_by_teaching(experiment):
    before = [w.copy() for w in experiment.teacher("Drama").get_weights()]
    experiment.run("Drama", "td", 5)
    for a, b in zip(before, experiment.teacher("Drama").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_evaluation_rows_decide_nothing_but_the_final_figure(ratings, experiment, tmp_path):
    """With poisoned evaluation ratings the weights, and so all predictions, are the same."""
    cut = experiment.holdout.cut
    poisoned_values = np.where(ratings.timestamps >= cut, 0.5, ratings.values).astype(np.float32)
    poisoned = replace(ratings, values=poisoned_values)
    rows = []
    for each in (experiment, Experiment(poisoned, SMALL, tmp_path)):
        result = each.run("Drama", "td", 0)
        teacher = each.teacher("Drama")
        rows.append((result.row, result.model.get_weights(), teacher.get_weights()))
    (row, student, teacher), (other, other_student, other_teacher) = rows
    assert row["curve"] == other["curve"]
    assert row["rmse"] != other["rmse"]
    for a, b in zip(student + teacher, other_student + other_teacher, strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_configuration_shares_the_compiled_step_and_changes_the_student(experiment):
    other = replace(SMALL, learning_rate=1e-2, methods={"ld": {"weight": 9.0}})
    first = experiment.run("Drama", "ld", 0).row
    changed = experiment.with_config(other).run("Drama", "ld", 0).row
    again = experiment.run("Drama", "ld", 0).row
    assert changed["rmse"] != first["rmse"] == again["rmse"]
    alone = Experiment(experiment.ratings, other, experiment.cache_dir).run("Drama", "ld", 0).row
    assert changed["rmse"] == pytest.approx(alone["rmse"], rel=1e-6)
    assert changed["key"] == alone["key"] != first["key"]
    # A distiller that is handed over has the weights in its method.
    assert experiment.with_config(other).distiller("Drama", "ld", 0).method.weight == 9.0


def test_label_distillation_in_td_has_its_own_weight(experiment):
    losses = []
    for weight in (1.0, 2.5):
        methods = {"td": {"rounds": 0, "label_weight": weight}}
        # At this rate both students stay where they begin, and a logged term has its weight.
        still = replace(SMALL, learning_rate=1e-7, methods=methods)
        row = experiment.with_config(still).run("Drama", "td", 0).row
        losses.append(row["curve"][0]["label_loss"])
    assert losses[1] / losses[0] == pytest.approx(2.5, rel=1e-3)


def test_a_ramp_up_comes_before_the_steps_and_leaves_nothing_behind(experiment):
    plain = experiment.run("Drama", "td", 0).row
    ramp = experiment.with_config(replace(SMALL, ramp_up=(40, 20), steps=80))
    seen = []
    row = ramp.run(
        "Drama", "td", 0, lambda step, scores: seen.append((step, scores.rmse)) or True
    ).row
    assert [step for step, _ in seen] == [40, 80]
    assert row["rmse"] == pytest.approx(seen[-1][1], abs=1e-6)
    curve = row["curve"]
    assert [point["step"] for point in curve] == [20, 40, 60, 80, 100, 120, 140]
    assert [point["message_loss"] > 0 for point in curve] == [False] * 2 + [True] * 5
    again = ramp.run("Drama", "td", 0).row
    assert (again["rmse"], again["curve"]) == (row["rmse"], curve)
    after = experiment.run("Drama", "td", 0).row
    assert (after["rmse"], after["curve"]) == (plain["rmse"], plain["curve"])
    # Alone, the student learns as from scratch.
    alone = experiment.with_config(replace(SMALL, steps=40)).run("Drama", "scratch", 0).row["curve"]
    for point, other in zip(curve, alone, strict=False):
        assert point["task_loss"] == pytest.approx(other["task_loss"], rel=1e-5)


def test_fewer_rows_are_among_those_of_more(experiment):
    def rows(share):
        train = experiment.with_config(replace(SMALL, rows=share)).segment("Drama").train
        return set(zip(train.user_ids, train.movie_ids, train.timestamps, strict=True))

    few, half, whole = rows(0.1), rows(0.5), rows(1.0)
    assert few < half < whole
    assert len(half) == pytest.approx(len(whole) / 2, abs=1)


def test_a_teacher_that_never_saw_the_genre(experiment):
    other = experiment.with_config(replace(SMALL, teacher_rows="other genres"))
    assert other.teacher_path("War") != other.teacher_path("Drama")
    train = experiment.holdout.train
    known = other.segment("War").teacher_train["movie"]
    # Its vocabulary has none of the genre's movies.
    assert (known == 0).all()
    assert (experiment.segment("War").teacher_train["movie"] > 0).all()
    assert len(train.of_genre("War")) == len(known)


def test_keys_tell_runs_apart(ratings, cache, experiment):
    keys = {
        experiment.key(genre, method, seed)
        for genre in ("Drama", "War")
        for method in METHODS
        for seed in (0, 1)
    }
    assert len(keys) == 2 * len(METHODS) * 2
    weighted = Experiment(ratings, replace(SMALL, methods={"ld": {"weight": 9.0}}), cache)
    assert weighted.key("War", "ld", 0) != experiment.key("War", "ld", 0)
    assert weighted.key("War", "fd", 0) == experiment.key("War", "fd", 0)
    assert weighted.study == experiment.study
    longer = Experiment(ratings, replace(SMALL, steps=40), cache)
    assert longer.study != experiment.study
    assert asdict(longer.config)["steps"] == 40


def test_the_paper_regime_trains_without_id_dropout(ratings, cache):
    experiment = Experiment(ratings, replace(SMALL, regime="paper", id_dropout={}), cache)
    student = experiment.run("Drama", "scratch", 0).model
    table = student.get_layer("user_embedding").embeddings
    fresh = Experiment(ratings, SMALL, cache).run("Drama", "scratch", 0).model
    # Nobody has the out-of-vocabulary id in training, so its embedding stays where it began.
    assert np.abs(np.array(table)[0]).max() <= 0.05
    assert isinstance(fresh, keras.Model)
    moved = np.array(fresh.get_layer("user_embedding").embeddings)[0]
    assert not np.allclose(moved, np.array(table)[0])
