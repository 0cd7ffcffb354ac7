import keras
import numpy as np
import pytest

import small_models
from tdrec.diagnostics.trial import trial
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.teacher_targets import TeacherTargets, attach

HOW = {"steps": 6, "batch_size": 8, "seed": 3}


def distiller_of(method, teacher=True):
    student, its = small_models.student_and_teacher()
    distiller = Distiller(student, its if teacher else None, method)
    distiller.compile(keras.optimizers.Adam(0.05), loss="mse", run_eagerly=True)
    return distiller


def weights(distiller):
    return [keras.ops.convert_to_numpy(v) for v in distiller.variables]


@pytest.mark.parametrize("kind", [LabelDistillation, Scratch])
def test_it_trains_as_fit_does_and_undoes_it(kind):
    method = kind()
    rows = small_models.inputs_and_ratings(40)
    distiller = distiller_of(method)
    before = weights(distiller)
    with trial(distiller, method, rows, **HOW) as result:
        trained = distiller.student.layers[0].get_weights()
    for a, b in zip(before, weights(distiller), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not distiller.optimizer.built
    assert result.step_seconds > 0 and result.compile_seconds >= 0
    # The same by hand.
    data = distiller.with_teacher_targets(
        rows, batch_size=8, shuffle=True, seed=3, drop_remainder=True
    )
    history = distiller.fit(data.repeat(), steps_per_epoch=6, verbose=0, shuffle=False)
    for a, b in zip(trained, distiller.student.layers[0].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert result.slots == sum(int(np.prod(v.shape)) for v in distiller.optimizer.variables)
    assert np.isfinite(history.history["loss"]).all()


def test_the_loss_is_that_of_the_last_steps():
    rows = small_models.inputs_and_ratings(40)
    distiller = distiller_of(Scratch(), teacher=False)
    with trial(distiller, distiller.method, rows, steps=30, batch_size=40, seed=0) as late:
        trained = distiller.student.layers[0]
        expected = np.mean((trained(rows[0]) - rows[1]) ** 2)
    assert late.loss == pytest.approx(float(expected), rel=0.05)


def test_weights_come_back_after_an_error():
    rows = small_models.inputs_and_ratings(40)
    distiller = distiller_of(Scratch())
    before = weights(distiller)
    with pytest.raises(RuntimeError), trial(distiller, distiller.method, rows, **HOW):
        raise RuntimeError
    for a, b in zip(before, weights(distiller), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_may_carry_their_targets():
    student, teacher = small_models.student_and_teacher()
    distiller = Distiller(student, None, LabelDistillation())
    distiller.compile("adam", loss="mse", run_eagerly=True)
    x, y = small_models.inputs_and_ratings(40)
    carried = attach(x, TeacherTargets()(teacher, x), ("prediction",))
    with trial(distiller, distiller.method, (carried, y), **HOW) as result:
        assert np.isfinite(result.loss)
