"""Tests of a student's training: what runs share is taken back to its start, and no more is done
than Keras would do with the student alone."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tdrec import methods
from tdrec.distiller import PARTS, Distiller
from tdrec.experiment import Experiment
from tdrec.model_split import split_model
from tdrec.models.id_dropout import id_variants
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.student_training import (
    compile_student,
    initial_values,
    prepare,
    structure,
    train_student,
)
from tdrec.teacher_targets import batches
from tdrec.teacher_training import adam, rating_model, targets_of
from test_experiment import SMALL

PLAIN = replace(SMALL, id_dropout={}, steps=40)


@pytest.fixture(scope="module")
def experiment(ratings, cache):
    return Experiment(ratings, SMALL, cache)


@pytest.fixture(scope="module")
def segment(experiment):
    return experiment.segment("Drama")


@pytest.fixture(scope="module")
def rows(segment):
    return id_variants(segment.student_train, ()), targets_of(segment.train)


def new_model(segment, config):
    keras.utils.set_random_seed(0)
    return rating_model(config, segment.encoder, segment.train, "model")


def new_split(segment, config):
    return split_model(new_model(segment, config), low=LOW, high=HIGH)


@pytest.fixture(scope="module")
def scratch(segment):
    distiller = Distiller(new_split(segment, SMALL.student), None, methods.get("scratch"))
    compile_student(distiller, PLAIN)
    return distiller, initial_values(distiller)


def values(model):
    return [np.array(weight) for weight in model.get_weights()]


def test_a_method_is_built_with_ones_for_its_weights():
    arguments = {"rounds": 2, "target": "original", "state_weight": 30.0, "label_weight": 0.0}
    assert structure(arguments) == arguments | {"state_weight": 1.0}
    assert structure({"weight": 10.0}) == {"weight": 1.0}


@pytest.mark.parametrize(
    ("method", "arguments", "factors"),
    [
        ("ld", {"weight": 10.0}, {"label_loss": 10.0}),
        (
            "hybrid",
            {"label_weight": 0.3, "feature_weight": 3.0},
            {"label_loss": 0.3, "feature_loss": 3.0},
        ),
    ],
)
def test_weights_become_the_factors_of_the_terms(segment, method, arguments, factors):
    splits = [new_split(segment, config) for config in (SMALL.student, SMALL.teacher)]
    distiller = Distiller(*splits, methods.get(method, **structure(arguments)))
    compile_student(distiller, SMALL)
    prepare(distiller, initial_values(distiller), 0.5, arguments)
    found = {name: float(factor) for name, factor in distiller.term_weights.items()}
    assert found == pytest.approx(factors)
    assert float(distiller.optimizer.learning_rate) == 0.5


def test_a_student_without_a_teacher_learns_what_keras_teaches_it(segment, rows, scratch):
    distiller, initial = scratch
    prepare(distiller, initial, 1e-2, {})
    curve = train_student(distiller, rows, segment, PLAIN, seed=3)
    assert [point["step"] for point in curve] == [20, 40]
    assert curve[1]["rmse"] < curve[0]["rmse"]

    student = new_model(segment, SMALL.student)
    before = values(student)
    student.compile(adam(1e-2, PLAIN.ema), "mse")
    keras.utils.set_random_seed(3)
    data = batches(rows, PLAIN.batch_size, shuffle=True, seed=3, drop_remainder=True)
    student.fit(data.repeat(), steps_per_epoch=20, epochs=2, verbose=0, shuffle=False)
    found, expected = values(distiller.student_layers[0]), values(student)
    for ours, its, start in zip(found, expected, before, strict=True):
        np.testing.assert_allclose(ours, its, atol=1e-5)
        assert (its != start).any()


def test_a_prepared_distiller_has_forgotten_every_run_before(segment, rows, scratch):
    distiller, initial = scratch

    def run(seed):
        prepare(distiller, initial, 1e-2, {})
        return train_student(distiller, rows, segment, PLAIN, seed), values(distiller)

    first, weights = run(0)
    other, _ = run(1)
    assert other != first
    distiller.learning = PARTS[1:]  # as a ramp-up that was interrupted may leave it
    again, its_weights = run(0)
    assert distiller.learning == PARTS
    assert again == first
    for one, two in zip(weights, its_weights, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_student_that_drops_units_is_another_and_its_seeds_repeat(experiment):
    dropping = replace(PLAIN, student=replace(SMALL.student, dropout=0.3))

    def run(config, seed=0):
        row = experiment.with_config(config).run("Drama", "scratch", seed).row
        return row["rmse"], row["curve"]

    first, plain = run(dropping), run(PLAIN)
    assert first != plain
    assert run(dropping, 1) != first
    keras.utils.set_random_seed(9)  # as another run would
    assert run(dropping) == first
    assert run(PLAIN) == plain


def test_whoever_watches_sees_the_student_that_would_be_used(experiment):
    longer = experiment.with_config(replace(SMALL, steps=120))
    seen = []

    def watch(step, scores):
        seen.append((step, scores.rmse))
        return step < 80

    row = longer.run("Drama", "scratch", 0, watch).row
    assert [step for step, _ in seen] == [40, 80]
    assert row["rmse"] == pytest.approx(seen[-1][1], abs=1e-6)
    short = experiment.with_config(replace(SMALL, steps=80)).run("Drama", "scratch", 0).row
    assert short["rmse"] == pytest.approx(row["rmse"], abs=1e-6)
