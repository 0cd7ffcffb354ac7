"""Tests of a student's training: no more is done than Keras would do with the student alone."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from small_movielens import SMALL
from tdrec.distill import methods
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.teacher_targets import batches
from tdrec.models.id_dropout import id_variants
from tdrec.models.rating_mlp import HIGH, LOW
from tdrec.tasks.ratings.student import compile_student, train_student
from tdrec.tasks.ratings.teacher import adam, rating_model, targets_of

PLAIN = replace(SMALL, id_dropout={}, steps=40)


def values(model):
    return [np.array(weight) for weight in model.get_weights()]


def test_a_student_without_a_teacher_learns_what_keras_teaches_it(session):
    segment = session.segment("Drama", SMALL)
    rows = id_variants(segment.student_train, ()), targets_of(segment.train)

    def new_model():
        keras.utils.set_random_seed(0)
        return rating_model(SMALL.student, segment.encoder, segment.train, "model")

    distiller = Distiller(split_model(new_model(), LOW, HIGH), None, methods.get("scratch"))
    compile_student(distiller, replace(PLAIN, learning_rate=1e-2), "regression")
    curve = train_student(distiller, rows, segment, PLAIN, seed=3)
    assert [point["step"] for point in curve] == [20, 40]
    assert curve[1]["rmse"] < curve[0]["rmse"]

    student = new_model()
    before = values(student)
    student.compile(adam(1e-2, PLAIN.ema), "mse")
    keras.utils.set_random_seed(3)
    data = batches(rows, PLAIN.batch_size, shuffle=True, seed=3, drop_remainder=True)
    student.fit(data.repeat(), steps_per_epoch=20, epochs=2, verbose=0, shuffle=False)
    found, expected = values(distiller.student_layers[0]), values(student)
    for ours, its, start in zip(found, expected, before, strict=True):
        np.testing.assert_allclose(ours, its, atol=1e-5)
        assert (its != start).any()


def test_a_student_that_drops_units_is_another_and_its_seeds_repeat(session, drama):
    dropping = replace(PLAIN, student=replace(SMALL.student, dropout=0.3))

    def run(config, seed=0):
        result = session.run(drama, config, "scratch", seed)
        return result.score.value, result.facts["curve"]

    first, plain = run(dropping), run(PLAIN)
    assert first != plain
    assert run(dropping, 1) != first
    keras.utils.set_random_seed(9)  # as another run would
    assert run(dropping) == first
    assert run(PLAIN) == plain


def test_whoever_watches_sees_the_student_that_would_be_used(session, drama):
    seen = []

    def watch(step, score):
        seen.append((step, score))
        return step < 80

    result = session.run(drama, replace(SMALL, steps=120), "scratch", 0, watch)
    assert [step for step, _ in seen] == [40, 80]
    assert result.score.value == pytest.approx(seen[-1][1].value, abs=1e-6)
    assert seen[-1][1].units.rows == result.score.units.rows
    short = session.run(drama, replace(SMALL, steps=80), "scratch", 0)
    assert short.score.value == pytest.approx(result.score.value, abs=1e-6)
