"""What skips around a cut is carried along, if the user says so."""

import keras
import numpy as np
import pytest
from keras import layers

from small_models import with_skip
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import LabelDistillation, TalkingModels
from tdrec.distill.model_split import ModelSplit


def wide_and_deep(name="model", units=4):
    wide, deep = keras.Input((2,), name="wide"), keras.Input((3,), name="deep")
    low = layers.Dense(units, "tanh", name="low")(deep)
    high = layers.Dense(units, "tanh", name="high")(layers.Concatenate()([low, wide]))
    score = layers.Dense(1, name="score")(layers.Concatenate()([high, low, wide]))
    outputs = {"score": score, "wide_alone": layers.Dense(1, name="wide_alone")(wide)}
    return keras.Model({"wide": wide, "deep": deep}, outputs, name=name)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return {"wide": rng.normal(size=(6, 2)), "deep": rng.normal(size=(6, 3))}


def test_what_skips_is_named_with_the_remedy():
    with pytest.raises(ValueError, match=r"'wide' feeds .*split_model\(..., carry=True\)"):
        split_model(wide_and_deep(), "low", "high")


def test_the_rooms_give_what_the_model_gives():
    model = wide_and_deep()
    split = split_model(model, "low", "high", carry=True)
    trace, interpret = split.run(rows())
    for name, value in model(rows()).items():
        np.testing.assert_array_equal(trace.prediction[name], value)
    np.testing.assert_array_equal(interpret(trace.low), trace.high)
    other = split.interpreter(rows(1))(trace.low)
    assert np.abs(np.asarray(other) - np.asarray(trace.high)).max() > 1e-3  # of other rows


@pytest.mark.parametrize(
    ("skip", "cut"),
    [
        (("in", "c"), ("b", "c")),
        (("a", "c"), ("b", "d")),
        (("b", "d"), ("b", "c")),
        (("in", "d"), ("a", "c")),
    ],
)
def test_any_skip_can_be_carried(skip, cut):
    model = with_skip(*skip)
    x = np.random.default_rng(0).normal(size=(5, 4))
    trace, interpret = split_model(model, *cut, carry=True).run(x)
    np.testing.assert_allclose(interpret.judge(trace.low)[1], model(x), rtol=1e-5)
    np.testing.assert_array_equal(trace.prediction, model(x))
    np.testing.assert_array_equal(interpret(trace.low), trace.high)


@pytest.mark.parametrize("stored", [False, True])
def test_models_that_a_skip_crosses_are_distilled(tmp_path, stored):
    splits = [
        split_model(wide_and_deep(name, units), "low", "high", carry=True)
        for name, units in (("student", 4), ("teacher", 6))
    ]
    distiller = Distiller(*splits, TalkingModels(1, message_dim=5, hidden_dim=7))
    distiller.compile("sgd", loss={"score": "mse", "wide_alone": "mse"})
    y = {name: np.ones(6, "float32") for name in ("score", "wide_alone")}
    data = distiller.with_teacher_targets((rows(), y)) if stored else (rows(), y)
    live = distiller.compute_losses((rows(), y))[2]
    batch = next(iter(data)) if stored else data
    for name, value in distiller.compute_losses(batch)[2].items():
        np.testing.assert_allclose(value, live[name], rtol=1e-5)
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    assert loaded.student.cut == ("low", "high", True)


def test_rooms_of_ones_own_may_carry():
    embed, body, score = layers.Dense(4), layers.Dense(3), layers.Dense(1)
    split = ModelSplit(
        lower=lambda x: (embed(x), {"x": x}),
        middle=lambda low, carried: (body(low), carried),
        head=lambda high, carried: score(high) + carried["x"][:, :1],
        model=keras.Sequential([embed, body, score]),
        carry=True,
    )
    x = np.ones((5, 2), "float32")
    trace, interpret = split.run(x)
    np.testing.assert_allclose(trace.prediction, score(body(embed(x))) + 1.0, rtol=1e-6)
    np.testing.assert_array_equal(interpret(trace.low), trace.high)


def test_a_class_of_its_own_call_is_no_graph():
    student, teacher = wide_and_deep("student"), wide_and_deep("teacher", 6)
    method = LabelDistillation(output="score")
    distiller = Distiller(student, teacher, method)  # label distillation needs no cut
    distiller.compile("sgd", loss={"score": "mse", "wide_alone": "mse"})
    assert distiller.method.terms == ("score_label_loss",)
    y = {name: np.ones(6, "float32") for name in ("score", "wide_alone")}
    terms = distiller.compute_losses((rows(), y))[2]
    expected = np.mean((student(rows())["score"] - teacher(rows())["score"]) ** 2)
    np.testing.assert_allclose(terms["score_label_loss"], expected, rtol=1e-5)
