"""What only JAX's training step must see to; that it trains as TensorFlow's: `test_backends.py`."""

import jax
import keras
import numpy as np
import pytest

from small_models import inputs_and_ratings, small_model, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import TalkingModels

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX's step alone")
X, Y = inputs_and_ratings()


def make(optimizer="sgd", student=None, teacher=None):
    keras.utils.set_random_seed(0)
    splits = student_and_teacher()
    method = TalkingModels(2, message_dim=6, hidden_dim=9)
    distiller = Distiller(student or splits[0], teacher or splits[1], method)
    distiller.compile(optimizer, loss="mse")
    return distiller


def test_what_a_step_only_reads_is_given_to_it_and_not_compiled_into_it(monkeypatch):
    distiller, steps = make(), []
    step = distiller.train_step
    monkeypatch.setattr(distiller, "train_step", lambda *given: steps.append(given) or step(*given))
    distiller.train_on_batch(X, Y)
    teacher = [v.value for v in distiller.teacher.layers[0].variables]
    read = teacher + [v.value for v in distiller.method.weight_variables()]
    ((_, _, given),) = steps  # of what is traced, once
    assert [v.shape for v in given] == [v.shape for v in read]
    state = tuple(
        [v.value for v in variables]
        for variables in (
            distiller.trainable_variables,
            distiller.non_trainable_variables,
            distiller.optimizer.variables,
            distiller.metrics_variables,
        )
    )

    def largest_constant(*given):
        return max(np.size(c) for c in jax.make_jaxpr(step)(state, (X, Y), *given).consts)

    assert largest_constant(read) == 1
    assert largest_constant() == max(v.size for v in teacher)


def test_a_step_that_is_refused_leaves_the_student_its_weights():
    distiller = make()
    before = [v.numpy() for v in distiller.weights]
    with pytest.raises(ValueError):
        distiller.fit(X[:, :2], Y, verbose=0)  # narrower than what the models take
    for variable, value in zip(distiller.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_a_student_that_begins_with_the_teachers_weights_leaves_them_to_it():
    teacher = small_model()
    student, its_split = (split_model(m, "low", "high") for m in (small_model(seed=1), teacher))
    distiller = make(student=student, teacher=its_split)
    for mine, its in zip(distiller.student.layers[0].weights, teacher.weights, strict=True):
        mine.assign(its)
    before = np.array(teacher(X))
    distiller.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(teacher(X), before)


def test_averaged_weights_are_trained_on():
    distiller = make(keras.optimizers.SGD(0.01, use_ema=True))
    losses = [distiller.fit(X, Y, verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]
