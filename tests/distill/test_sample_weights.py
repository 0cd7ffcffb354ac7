"""Weights for the task apart from those for the distillation, and of each output."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from small_distillers import X, Y, make_distiller, talking
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation
from tdrec.distill.methods.sum import Sum
from tdrec.distill.sample_weights import SampleWeights

TASK, TAUGHT = (np.linspace(a, b, len(X)).astype("float32") for a, b in ((0, 1), (2, 0.5)))


@pytest.mark.parametrize("method", [LabelDistillation, talking])
def test_each_has_its_own(method):
    distiller = make_distiller(method())
    _, task, terms = distiller.compute_losses((X, Y, SampleWeights(TASK, TAUGHT)))
    np.testing.assert_allclose(task, distiller.compute_losses((X, Y, TASK))[1], rtol=1e-6)
    for name, value in distiller.compute_losses((X, Y, TAUGHT))[2].items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-6)


def test_rows_without_labels_are_distilled():
    def trained(labels):
        distiller = make_distiller(LabelDistillation(), optimizer="sgd")
        weights = SampleWeights(task=(np.arange(len(X)) % 2).astype("float32"), distillation=None)
        distiller.fit(X, labels, sample_weight=weights, shuffle=False, verbose=0)
        data = tf.data.Dataset.from_tensor_slices((X, labels, weights._replace(distillation=TASK)))
        distiller.fit(data.batch(4), verbose=0)
        return distiller.student.model.get_weights()

    other = np.where(np.arange(len(X))[:, None] % 2, Y, 99.0).astype("float32")
    for a, b in zip(trained(Y), trained(other), strict=True):
        np.testing.assert_array_equal(a, b)


def two_heads(name, units):
    inputs = keras.Input((3,))
    x = layers.Dense(units, "tanh", name="low")(inputs)
    x = layers.Dense(units, "tanh", name="high")(x)
    heads = {
        "click": layers.Dense(1, "sigmoid", name="click")(x),
        "rating": layers.Dense(1, name="rating")(x),
    }
    return keras.Model(inputs, heads, name=name)


def test_each_output_is_distilled_with_its_kind_and_its_weights():
    student, teacher = two_heads("student", 4), two_heads("teacher", 6)
    method = Sum([LabelDistillation(output="click"), LabelDistillation(2.0, output="rating")])
    distiller = Distiller(student, teacher, method)
    distiller.compile("sgd", loss={"click": "binary_crossentropy", "rating": "mse"})
    labels = {"click": (Y > 0).astype("float32"), "rating": Y}
    weights = {"click": TASK, "rating": TAUGHT}
    terms = distiller.compute_losses((X, labels, weights))[2]
    mine, its = ({k: np.asarray(v)[:, 0] for k, v in m(X).items()} for m in (student, teacher))
    rating = 2.0 * (TAUGHT * (mine["rating"] - its["rating"]) ** 2).mean()
    np.testing.assert_allclose(terms["rating_label_loss"], rating, rtol=1e-5)
    q, p = mine["click"], its["click"]
    click = (TASK * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))).mean()
    np.testing.assert_allclose(terms["click_label_loss"], click, rtol=2e-3)
    history = distiller.fit(X, labels, sample_weight=weights, verbose=0).history
    assert {"click_label_loss", "rating_label_loss"} < set(history)


LABELS = {"click": (Y > 0).astype("float32"), "rating": Y}


@pytest.mark.parametrize(
    "weights",
    [
        TASK,
        SampleWeights(TASK, TAUGHT),
        SampleWeights({"click": TASK, "rating": TAUGHT}, TAUGHT),
        SampleWeights({"click": TASK, "rating": TAUGHT}, None),
    ],
)
def test_arrays_of_several_outputs_are_weighed_as_batches_are(weights):
    def logs(*data, **validation):
        keras.utils.set_random_seed(0)
        splits = [split_model(two_heads(*sizes), "low", "high") for sizes in (("s", 4), ("t", 6))]
        method = Sum([talking(), LabelDistillation(output="click")])
        distiller = Distiller(*splits, method)
        losses = {"click": "binary_crossentropy", "rating": "mse"}
        distiller.compile("sgd", loss=losses, run_eagerly=True)
        x, y, weight = (*data, None, None)[:3]
        given = {"batch_size": len(X), "shuffle": False, "sample_weight": weight} if y else {}
        history = distiller.fit(x, y, verbose=0, **given, **validation).history
        if y:
            evaluated = distiller.evaluate(x, y, len(X), 0, weight, return_dict=True)
            assert evaluated["loss"] == history["val_loss"][0]
        return history

    batch = (X, LABELS, weights)
    expected = logs(tf.data.Dataset.from_tensors(batch))
    found = logs(*batch, validation_data=batch)
    assert {name: found[name] for name in expected} == expected
    assert {"interaction_loss_1", "click_label_loss", "val_rating_loss"} < set(found)


def test_rows_without_labels_are_weighed():
    distiller = make_distiller(LabelDistillation(task="regression"), loss=None, optimizer="sgd")
    expected = float(distiller.compute_losses((X, None, TASK))[2]["label_loss"])
    history = distiller.fit(X, sample_weight=TASK, batch_size=len(X), verbose=0).history
    np.testing.assert_allclose(history["label_loss"], [expected], rtol=1e-6)
    assert expected < float(distiller.compute_losses((X,))[2]["label_loss"])


def test_a_term_of_no_output_needs_one_weight():
    distiller = make_distiller(talking())
    with pytest.raises(ValueError, match=r"a term of no one output.*tdrec.SampleWeights\("):
        distiller.method.compute_loss(
            distiller.student(X),
            distiller.teacher(X),
            student_middle=distiller.student.interpret,
            teacher_middle=distiller.teacher.interpret,
            sample_weight={"click": TASK, "rating": TASK},
        )
