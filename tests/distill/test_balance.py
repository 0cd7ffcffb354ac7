import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from small_models import inputs_and_ratings, numpy_trace, randomise, student_and_teacher
from tdrec.distill.balance import BalanceTerms
from tdrec.distill.distiller import Distiller
from tdrec.distill.gradient_norms import gradient_norms
from tdrec.distill.methods import LabelDistillation, TalkingModels

X, Y = inputs_and_ratings(rows=32)
BATCH = (X[:12], Y[:12])


def make(method=None, rate=0.01):
    keras.utils.set_random_seed(0)
    method = method or TalkingModels(1, message_dim=6, linear=True)
    student, teacher = student_and_teacher()
    for seed, split in enumerate((student, teacher)):
        randomise(split.layers[0], seed)  # the same on every backend
    distiller = Distiller(student, teacher, method)
    distiller.compile(keras.optimizers.SGD(rate), loss="mse", run_eagerly=True)
    return distiller


def fit(distiller, *callbacks, start=0, stop=8):
    """Some of the steps of one pass, of 4 rows each; the history."""
    rows = slice(4 * start, 4 * stop)
    data = tf.data.Dataset.from_tensor_slices((X[rows], Y[rows])).batch(4)
    return distiller.fit(data, verbose=0, shuffle=False, callbacks=list(callbacks)).history


def factors(distiller):
    return {name: float(weight) for name, weight in distiller.term_weights.items()}


class Factors(keras.callbacks.Callback):
    """The factors as of each batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(factors(self.model))


def test_a_factor_is_that_of_the_equation():
    distiller = make(LabelDistillation(weight=0.1), rate=0.0)
    student, teacher = (s.layers[0] for s in (distiller.student, distiller.teacher))
    x, y = BATCH
    own, its = numpy_trace(student, x)[2], numpy_trace(teacher, x)[2]

    def norm(error):
        """Of the gradient of the mean squared error, by the chain rule."""
        low, high, _ = numpy_trace(student, x)
        delta, squares = 2 * error / len(x), 0.0
        for state, layer in ((high, "out"), (low, "high"), (x, "low")):
            squares += np.sum((state.T @ delta) ** 2) + np.sum(delta.sum(0) ** 2)
            delta = delta @ student.get_layer(layer).kernel.numpy().T * (1 - state**2)
        return np.sqrt(squares)

    wanted = 0.5 * norm(own - y) / (0.1 * norm(own - its))
    seen = Factors()
    fit(distiller, BalanceTerms(BATCH, every=3, ratio=0.5, momentum=0.25), seen)
    # The models rest (rate 0), so each measurement, at steps 0, 3 and 6, is the same one.
    expected = []
    for step in range(8):
        before = expected[-1] if expected else 1.0
        expected.append(before**0.25 * wanted**0.75 if step % 3 == 0 else before)
    assert abs(np.log(wanted)) > 0.1
    np.testing.assert_allclose([f["label_loss"] for f in seen.seen], expected, rtol=1e-4)


@pytest.mark.parametrize("ratio", [1.0, 0.2])
def test_balanced_terms_pull_in_the_ratio(ratio):
    distiller = make(rate=0.0)
    history = fit(distiller, BalanceTerms(BATCH, every=1, ratio=ratio, momentum=0.0))
    norms, found = gradient_norms(distiller, BATCH), factors(distiller)
    for name in distiller.method.terms:
        assert found[name] * norms[name] == pytest.approx(ratio * norms["task_loss"], rel=1e-5)
        assert history[f"{name}_weight"] == [pytest.approx(found[name])]


def test_balancing_changes_training():
    ends = []
    for ratio in (2.0, 0.01):
        distiller = make(LabelDistillation(), rate=0.05)
        fit(distiller, BalanceTerms(BATCH, every=2, ratio=ratio, momentum=0.0))
        _, task_loss, terms = distiller.compute_losses((X, Y))
        ends.append((float(task_loss), float(terms["label_loss"])))
    # Where the term rules it is learned better, and where the task does, that is.
    (task, label), (task_alone, label_beside) = ends
    assert task_alone < task
    assert label < label_beside


def test_the_same_run_gives_the_same_factors_also_in_two_parts():
    whole, again, parts = make(), make(), make()
    for distiller in (whole, again):
        fit(distiller, BalanceTerms(BATCH, every=3))
    assert factors(whole) == factors(again)
    assert len(set(factors(whole).values())) == 3
    fit(parts, BalanceTerms(BATCH, every=3), stop=4)
    fit(parts, BalanceTerms(BATCH, every=3), start=4)
    assert factors(parts) == pytest.approx(factors(whole), rel=1e-4)


def test_a_dataset_gives_its_first_batch():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(12)
    one, other = make(), make()
    fit(one, BalanceTerms(data))
    fit(other, BalanceTerms(BATCH))
    assert factors(one) == pytest.approx(factors(other), rel=1e-5)
    stored = make()
    fit(stored, BalanceTerms(stored.with_teacher_targets((X, Y), batch_size=12)))
    assert factors(stored) == pytest.approx(factors(other), rel=1e-5)


def test_a_term_that_was_left_out_stays_out():
    distiller = make()
    distiller.term_weights["message_loss"].assign(0.0)
    fit(distiller, BalanceTerms(BATCH, every=1, momentum=0.0))
    found = factors(distiller)
    assert found["message_loss"] == 0.0
    assert found["state_loss"] != 1.0


def test_factors_keep_within_the_limit():
    distiller = make(LabelDistillation(weight=1e-6))
    fit(distiller, BalanceTerms(BATCH, every=1, limit=50.0))
    assert factors(distiller) == {"label_loss": 50.0}
    distiller = make(LabelDistillation(weight=1e6), rate=0.0)
    fit(distiller, BalanceTerms(BATCH, every=1, limit=50.0))
    assert factors(distiller) == {"label_loss": pytest.approx(0.02)}


class Idle(LabelDistillation):
    """With a second term, which does not depend on the student."""

    terms = ("label_loss", "idle_loss")

    def compute_loss(self, student, teacher, **context):
        label = super().compute_loss(student, teacher, **context)
        return {**label, "idle_loss": keras.ops.mean(teacher.prediction**2)}


def test_a_term_without_gradient_keeps_its_factor():
    distiller = make(Idle(), rate=0.0)
    with pytest.warns(UserWarning, match="idle_loss cannot be balanced.* is 0.0, so its") as found:
        fit(distiller, BalanceTerms(BATCH, every=1, momentum=0.0))
    assert len([w for w in found if "cannot be balanced" in str(w.message)]) == 1
    norms = gradient_norms(distiller, BATCH)
    wanted = norms["task_loss"] / norms["label_loss"]
    assert factors(distiller) == {"label_loss": pytest.approx(wanted), "idle_loss": 1.0}


def test_where_the_task_has_no_finite_gradient_all_factors_stay():
    distiller = make(rate=0.0)
    x, y = BATCH
    with pytest.warns(UserWarning, match="task_loss cannot be balanced.* nan, so all factors"):
        fit(distiller, BalanceTerms((x, y * np.nan), every=1))
    assert set(factors(distiller).values()) == {1.0}


def test_usable_terms_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "`shuffle=True` was passed")
        fit(make(), BalanceTerms(BATCH))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be an integer of at least 1. Received: 0"),
        ({"ratio": 0.0}, "`ratio` must be positive. Received: 0.0"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\). Received: 1.0"),
        ({"limit": 1.0}, "`limit` must be more than 1. Received: 1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BalanceTerms(BATCH, **arguments)
