"""Targets that rows bear out, as a distiller makes them, against `Trust` by hand."""

import keras
import numpy as np
import pytest

from small_distillers import fit
from tdrec.diagnostics.diagnosis import diagnose
from tdrec.distill.data_with_targets import WithTargets
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import Hybrid, LabelDistillation, TalkingModels
from tdrec.distill.methods.multi_teacher import MultiTeacher
from tdrec.distill.methods.sum import Sum
from tdrec.distill.predictor import as_split
from tdrec.distill.trust import Trust
from tdrec.distill.trusted_targets import trust_of

BY = ("movie", "user")
ROWS = 400
DRAW = np.random.default_rng(0)
X = {"user": DRAW.integers(40, size=ROWS), "movie": DRAW.integers(5, size=ROWS)}
QUALITY = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
NUMBERS = (QUALITY[X["movie"]] + 0.3 * DRAW.normal(size=ROWS)).astype("float32")
CLICKS = (DRAW.uniform(size=ROWS) < 1 / (1 + np.exp(-QUALITY[X["movie"]]))).astype("float32")


def wrong(x):
    """A teacher that has the movies in the wrong order."""
    return keras.ops.cast(x["movie"], "float32")[:, None] * -1.0


def student(activation=None):
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((), name=name) for name in X}
    joined = keras.ops.stack(list(inputs.values()), axis=-1)
    return keras.Model(inputs, keras.layers.Dense(1, activation)(joined))


def distiller(method, loss="mse", teacher=wrong, **of_student):
    found = Distiller(student(**of_student), as_split("teacher", teacher), method)
    found.compile(keras.optimizers.Adam(0.1), loss=loss, run_eagerly=True)
    return found


def targets(found, y, x=X):
    (batch, *_) = next(iter(found.with_teacher_targets((x, y), batch_size=len(y))))
    assert isinstance(batch, WithTargets)
    return np.asarray(batch.targets["prediction"])


def by_hand(said, y, **bounds):
    trust = Trust.fit(said, y, X["movie"], X["user"], **bounds)
    assert np.isfinite(trust.damping)  # the rows say that the teacher is wrong
    return trust.targets(said, X["movie"])


def test_numbers_are_those_of_trust():
    found = distiller(LabelDistillation(trust=BY))
    expected = by_hand(np.asarray(wrong(X)), NUMBERS)
    np.testing.assert_allclose(targets(found, NUMBERS)[:, 0], expected, rtol=1e-5)


def test_of_clicks_the_probabilities_are_trusted():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    found = distiller(LabelDistillation(trust=BY), loss)
    probabilities = 1 / (1 + np.exp(-np.asarray(wrong(X), np.float64)))
    expected = by_hand(probabilities, CLICKS, bounds=(0.0, 1.0))
    logits = targets(found, CLICKS)[:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-5)


def test_a_student_of_trusted_targets_is_nearer_to_the_labels():
    errors = []
    for method in (LabelDistillation(10.0), LabelDistillation(10.0, trust=BY)):
        found = distiller(method)
        data = found.with_teacher_targets((X, NUMBERS), batch_size=ROWS)
        found.fit(data, epochs=60, shuffle=False, verbose=0)
        said = np.asarray(found.student.layers[0](X))[:, 0]
        errors.append(np.mean((said - NUMBERS) ** 2))
    assert errors[1] < 0.5 * errors[0]


def test_one_pair_of_names_is_found_in_all_parts():
    assert trust_of(Hybrid(trust=BY)) == trust_of(TalkingModels(label_weight=1.0, trust=BY)) == BY
    assert trust_of(Sum([LabelDistillation(trust=list(BY)), TalkingModels()])) == BY
    assert trust_of(TalkingModels(trust=BY)) is None  # it has no label distillation
    with pytest.raises(ValueError, match=r"Received: .*'a', 'user'.*'movie', 'user'"):
        trust_of(
            MultiTeacher([LabelDistillation(trust=BY), LabelDistillation(trust=("a", "user"))])
        )


@pytest.mark.parametrize("names", ["movie", ("movie",), ("movie", "movie"), ("movie", "")])
def test_what_is_no_pair_of_names_is_refused(names):
    with pytest.raises(ValueError, match="`trust` must be two different names. Received:"):
        LabelDistillation(trust=names)


def test_without_all_rows_nothing_is_trained():
    with pytest.raises(ValueError, match=r"batch without targets.*with_teacher_targets"):
        fit(distiller(LabelDistillation(trust=BY)), X, NUMBERS)
    with pytest.raises(ValueError, match="`folder` and a method with `trust`"):
        distiller(LabelDistillation(trust=BY)).with_teacher_targets((X, NUMBERS), folder="targets")


def test_what_cannot_be_trusted_is_refused():
    found = distiller(LabelDistillation(trust=("film", "user")))
    with pytest.raises(ValueError, match="Received: 'film', which is none of them"):
        targets(found, NUMBERS)
    with pytest.raises(ValueError, match="no labels"):
        distiller(LabelDistillation(trust=BY)).with_teacher_targets((X,))
    two = distiller(LabelDistillation(trust=BY), teacher=lambda x: keras.ops.ones((ROWS, 2)))
    with pytest.raises(ValueError, match=r"by one number of each. Received: .*\(400, 2\)"):
        targets(two, NUMBERS)
    for task, what in (("classes", "compares classes"), (None, "is not known before")):
        method = LabelDistillation(task=task, trust=BY)
        unsettled = Distiller(student(), as_split("teacher", wrong), method)
        with pytest.raises(ValueError, match=f"numbers or clicks. Received: .*{what}"):
            targets(unsettled, NUMBERS)


def test_a_method_that_trusts_is_diagnosed_on_all_rows():
    found = distiller(LabelDistillation(trust=BY))
    report = diagnose(found, (X, NUMBERS), steps=3, scratch_steps=3)
    checked = {finding.check: finding.status for finding in report.findings}
    assert checked.pop("teacher") == "FAIL"  # which it is: wrong
    assert "FAIL" not in checked.values() and {"gradients", "training", "cost"} <= set(checked)
