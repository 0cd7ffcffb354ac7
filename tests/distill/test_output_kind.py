"""The kind of output is read off the loss and the last layers; contradictions are refused."""

import keras
import numpy as np
import pytest
from keras import layers, losses
from scipy import special

from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import Hybrid, LabelDistillation, TalkingModels
from tdrec.distill.output_kind import kind_of_loss, last_activation
from tdrec.distill.predictor import Predictor

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")


def model(activation=None, units=1, name="model"):
    inputs = keras.Input((3,))
    x = layers.Dense(4, "tanh", name="low")(inputs)
    x = layers.Dense(4, "tanh", name="high")(x)
    return keras.Model(inputs, layers.Dense(units, activation)(x), name=name)


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("mse", ("regression", True)),
        (losses.Huber(), ("regression", True)),
        (losses.mean_absolute_error, ("regression", True)),
        ("binary_crossentropy", ("binary", False)),
        (losses.BinaryCrossentropy(from_logits=True), ("binary", True)),
        (losses.BinaryFocalCrossentropy(), ("binary", False)),
        ("sparse_categorical_crossentropy", ("classes", False)),
        (losses.SparseCategoricalCrossentropy(from_logits=True), ("classes", True)),
        (losses.KLDivergence(), ("classes", False)),
        (lambda y, p: p, None),
        (losses.Hinge(), None),
        (None, None),
        ({"a": "mse"}, None),
    ],
)
def test_kind_of_loss(loss, kind):
    assert kind_of_loss(loss) == kind


def test_the_loss_of_one_output():
    by_name = {"click": "binary_crossentropy", "rating": "mse"}
    assert kind_of_loss(by_name, "click") == ("binary", False)
    assert kind_of_loss(["mse", "binary_crossentropy"], 1) == ("binary", False)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear", None, "relu"])
def test_last_activation(activation):
    expected = {"relu": None}.get(activation, activation or "linear")
    assert last_activation(Predictor(model(activation, 2))) == expected
    inputs = keras.Input((3,))
    x = layers.Dense(2)(model("tanh", 3)(inputs))
    after = keras.Model(inputs, layers.Reshape((2, 1))(layers.Activation(activation)(x)))
    assert last_activation(Predictor(after)) == expected
    inner = keras.Model(inputs, after(inputs))
    assert last_activation(Predictor(inner)) == expected
    assert last_activation(Predictor(lambda x: x)) is None


def distilled(student, teacher, loss, method=None, **arguments):
    distiller = Distiller(student, teacher, method or LabelDistillation(**arguments))
    distiller.compile("sgd", loss=loss)
    return distiller


CROSS = losses.SparseCategoricalCrossentropy


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("of_student", ["softmax", None])
@pytest.mark.parametrize("of_teacher", ["softmax", None])
def test_probabilities_and_logits_are_compared_alike(of_student, of_teacher, temperature):
    student, teacher = model(of_student, 3, "student"), model(of_teacher, 3, "teacher")
    loss = CROSS(from_logits=of_student is None)
    distiller = distilled(student, teacher, loss, temperature=temperature)
    found = distiller.compute_losses((X, np.zeros(8, "int32")))[2]["label_loss"]

    def log_softened(network, activation):
        out = np.asarray(network(X), "float64")
        logits = np.log(out) if activation else out
        return special.log_softmax(logits / temperature, axis=-1)

    q, p = log_softened(student, of_student), log_softened(teacher, of_teacher)
    expected = temperature**2 * (np.exp(p) * (p - q)).sum(-1).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_clicks_as_probabilities():
    student, teacher = model("sigmoid", name="student"), model("sigmoid", name="teacher")
    distiller = distilled(student, teacher, "binary_crossentropy")
    found = distiller.compute_losses((X, np.zeros(8, "float32")))[2]["label_loss"]
    q, p = (np.asarray(m(X), "float64") for m in (student, teacher))
    expected = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-3)


REFUSED = {
    "softmax taken for logits": (("softmax", 3), ("softmax", 3), CROSS(from_logits=True), {}),
    "logits taken for probabilities": ((None, 3), (None, 3), CROSS(), {}),
    "numbers for clicks": (("sigmoid", 1), ("sigmoid", 1), "binary_crossentropy", "regression"),
    "classes for numbers": ((None, 3), (None, 3), "mse", "classes"),
    "clicks that end in softmax": (("softmax", 3), ("softmax", 3), "binary_crossentropy", {}),
    "a teacher of another kind": ((None, 1), ("softmax", 3), "mse", {}),
    "a loss that tells nothing": ((None, 1), (None, 1), losses.Hinge(), {}),
    "logits named for probabilities": (
        ("sigmoid", 1),
        ("sigmoid", 1),
        "binary_crossentropy",
        {"from_logits": True},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("kind", [LabelDistillation, Hybrid, TalkingModels])
def test_what_contradicts_is_refused_before_training(case, kind):
    student, teacher, loss, arguments = REFUSED[case]
    arguments = {"task": arguments} if isinstance(arguments, str) else dict(arguments)
    if kind is TalkingModels:
        arguments["label_weight"] = 1.0
    method = kind(**arguments)
    with pytest.raises(ValueError, match=r"Received: "):
        distilled(Predictor(model(*student, "student")), model(*teacher, "teacher"), loss, method)


def test_a_teacher_says_by_its_own_loss_what_it_is():
    teacher = model(None, 1, "teacher")
    teacher.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="Student and teacher must predict the same kind"):
        distilled(model("sigmoid"), teacher, "binary_crossentropy")


def test_classes_that_the_loss_tells_are_more_than_one():
    with pytest.raises(ValueError, match=r"two classes or more. Received: a student .*\(None, 1\)"):
        distilled(model(None, 1), model(None, 1, "teacher"), CROSS(from_logits=True))


def test_outside_of_a_distiller_the_kind_is_named():
    trace = Predictor(model())(X)
    with pytest.raises(ValueError, match=r"must know what the outputs are.*no loss"):
        LabelDistillation().compute_loss(trace, trace)
    method = LabelDistillation(task="regression")
    assert float(method.compute_loss(trace, trace)["label_loss"]) == 0.0
