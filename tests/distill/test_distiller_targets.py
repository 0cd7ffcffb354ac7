"""Data that carries the teacher's targets."""

import numpy as np
import pytest
import tensorflow as tf

from small_distillers import (
    TD_TERMS,
    X,
    Y,
    assert_all_close,
    fit,
    make_distiller,
    numbers,
    student_of,
    talking,
)
from small_models import student_and_teacher
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.teacher_targets import TeacherTargets


def test_stored_targets_give_the_same_training():
    results = []
    for stored in (False, True):
        distiller = make_distiller(talking(2))
        data = (distiller.with_teacher_targets((X, Y), batch_size=4), None) if stored else (X, Y)
        history = fit(distiller, *data, epochs=2, batch_size=4)
        results.append((history, numbers(student_of(distiller)) + numbers(distiller.method)))
    assert (
        set(results[0][0])
        == set(results[1][0])
        == {"loss", "task_loss", "interaction_loss_2", *TD_TERMS}
    )
    for name, values in results[0][0].items():
        np.testing.assert_allclose(values, results[1][0][name], rtol=1e-5)
    assert_all_close(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


def test_batches_are_as_large_as_those_that_came():
    distiller = make_distiller()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)
    assert [len(y) for _, y in distiller.with_teacher_targets(data)] == [5, 5, 2]
    assert [len(y) for _, y in distiller.with_teacher_targets(data, batch_size=8)] == [8, 4]
    assert [len(y) for _, y in distiller.with_teacher_targets((X, Y))] == [12]
    dropped = distiller.with_teacher_targets(data, drop_remainder=True)
    assert [len(y) for _, y in dropped] == [5, 5]


def test_weights_and_targets_stay_with_their_rows():
    distiller = make_distiller(LabelDistillation())
    weight = X[:, 0]
    data = distiller.with_teacher_targets((X, Y, weight), batch_size=5, shuffle=True, seed=0)
    teacher = distiller.teacher.layers[0]
    for x, _, w in data:
        assert set(x.targets) == {"prediction"}
        np.testing.assert_array_equal(w, x.inputs[:, 0])
        np.testing.assert_allclose(x.targets["prediction"], teacher(x.inputs), rtol=1e-5, atol=1e-6)


def test_method_that_reads_no_teacher_gets_the_plain_rows():
    distiller = make_distiller(Scratch())
    ((x, y),) = distiller.with_teacher_targets((X, Y))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_a_cache_serves_several_distillers(tmp_path):
    cache = TeacherTargets(tmp_path)
    splits = student_and_teacher()
    for method in (talking(1), talking(2)):  # they read the same fields
        make_distiller(method, teacher=splits[1]).with_teacher_targets((X, Y), cache=cache)
    assert len(list(tmp_path.iterdir())) == 1


def test_empty_data_is_refused():
    empty = tf.data.Dataset.from_tensor_slices((X[:0], Y[:0])).batch(4)
    with pytest.raises(ValueError, match="at least one batch. Received: an empty dataset"):
        make_distiller().with_teacher_targets(empty)
