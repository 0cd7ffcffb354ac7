"""The losses of a step: how rows are weighted, terms scaled and the student regularised."""

import keras
import numpy as np
import pytest
from keras import layers

import numpy_reference as reference
from small_distillers import METHODS, TD_TERMS, X, Y, fit, make_distiller, talking
from small_models import numpy_trace, student_and_teacher
from tdrec.distill.cut import split_model
from tdrec.distill.methods import LabelDistillation, Scratch


def test_logged_losses_are_means_over_rows():
    distiller = make_distiller(LabelDistillation(0.5), optimizer=keras.optimizers.SGD(0.0))
    history = fit(distiller, batch_size=5)  # batches of 5, 5 and 2 rows
    own, its = (numpy_trace(s.layers[0], X)[2] for s in (distiller.student, distiller.teacher))
    np.testing.assert_allclose(history["task_loss"], [np.mean((own - Y) ** 2)], rtol=1e-5)
    np.testing.assert_allclose(history["label_loss"], [0.5 * np.mean((own - its) ** 2)], rtol=1e-5)
    total = history["task_loss"][0] + history["label_loss"][0]
    np.testing.assert_allclose(history["loss"], [total], rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_rows_of_weight_0_act_on_no_term(name):
    weight = np.array([1, 0] * 6, "float32")
    weighted = fit(make_distiller(METHODS[name]()), sample_weight=weight)
    kept = fit(make_distiller(METHODS[name]()), X[::2], Y[::2])
    assert len(weighted) >= 3
    for term, value in weighted.items():
        # A weighted mean divides by all 12 rows.
        np.testing.assert_allclose(value[0], kept[term][0] / 2, rtol=1e-5, err_msg=term)


def test_class_weight_acts_like_the_sample_weight_of_the_labels():
    labels = np.arange(12) % 3
    histories = []
    for weighting in (
        {"class_weight": {0: 0.5, 1: 0.0, 2: 3.0}},
        {"sample_weight": np.array([0.5, 0.0, 3.0] * 4, "float32")},
    ):
        student, teacher = student_and_teacher(outputs=3)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        method = LabelDistillation(task="classes")
        distiller = make_distiller(
            method, student=student, teacher=teacher, loss=loss, optimizer="sgd"
        )
        own, its = (numpy_trace(split.layers[0], X)[2] for split in (student, teacher))
        histories.append(fit(distiller, X, labels, **weighting))
    assert histories[0] == histories[1]
    expected = reference.mean(reference.kl(its, own), [0.5, 0.0, 3.0] * 4)
    np.testing.assert_allclose(histories[0]["label_loss"], [expected], rtol=1e-4)
    crossentropy = [
        -np.log(reference.softmax(logits)[label]) for logits, label in zip(own, labels, strict=True)
    ]
    expected = reference.mean(np.array(crossentropy), [0.5, 0.0, 3.0] * 4)
    np.testing.assert_allclose(histories[0]["task_loss"], [expected], rtol=1e-5)


def test_term_weights_scale_the_terms():
    plain, scaled = make_distiller(talking()), make_distiller(talking())
    scaled.term_weights["message_loss"].assign(3.0)
    scaled.term_weights["state_loss"].assign(0.0)
    first, second = fit(plain), fit(scaled)
    np.testing.assert_allclose(second["message_loss"], 3 * np.array(first["message_loss"]), 1e-6)
    assert second["state_loss"] == [0.0]
    parts = ("task_loss", *TD_TERMS)
    np.testing.assert_allclose(second["loss"], sum(second[name][0] for name in parts), 1e-6)
    assert not any(v.trainable for v in scaled.term_weights.values())


def regularised():
    inputs = keras.Input((3,))
    x = layers.Dense(5, kernel_regularizer="l2", name="low")(inputs)
    x = layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l1", name="high")(x)
    return keras.Model(inputs, layers.Dense(1, bias_regularizer="l2")(x), name="regularised")


@pytest.mark.parametrize("run_eagerly", [True, False])
@pytest.mark.parametrize("method", [Scratch, lambda: talking(3)], ids=["scratch", "td"])
def test_regularisation_losses_are_added_once(method, run_eagerly):
    model = regularised()
    # The same losses in NumPy: two of weights, one of what the layer "high" gives.
    low, high = (v.numpy().astype("float64") for v in (model.weights[0], model.weights[2]))
    e = X @ low @ high
    expected = 0.01 * np.sum(low**2) + 0.01 * np.sum(abs(high)) + 0.01 * np.sum(e**2) / 12
    expected += np.mean((model.predict(X, verbose=0) - Y) ** 2)
    distiller = make_distiller(
        method(),
        student=split_model(model, "low", "high"),
        optimizer=keras.optimizers.SGD(0.0),
        run_eagerly=run_eagerly,
    )
    history = fit(distiller, epochs=2, validation_data=(X, Y))
    np.testing.assert_allclose(history["task_loss"], [expected] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], [expected] * 2, rtol=1e-5)
    terms = sum(history[name][0] for name in distiller.method.terms)
    np.testing.assert_allclose(history["loss"], [expected + terms] * 2, rtol=1e-5)
