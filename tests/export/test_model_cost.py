import time
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from small_models import inputs_and_ratings, small_model, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FitNet, LabelDistillation, Scratch, TalkingModels
from tdrec.distill.teacher_targets import attach
from tdrec.export.model_cost import (
    Comparison,
    ModelCost,
    compare_models,
    latency_ms,
    multiply_adds,
    save_keras,
    training_multiply_adds,
)
from tdrec.models.rating_mlp import Flags, Ids, Words, rating_mlp


class Sleeper(keras.Model):
    """Takes its time, and notes the rows of each batch."""

    def __init__(self, seconds, batches):
        super().__init__(name="sleeper")

        def run(values):
            batches.append(np.array(values))
            time.sleep(seconds)
            return values

        self.run = run

    def call(self, x, training=False):
        return tf.ensure_shape(tf.py_function(self.run, [x], tf.float32), x.shape)


def test_latency_is_the_median_of_batches_in_turn():
    slow, fast = [], []
    x = np.array([[2, 3]], "float32")
    models = [(Sleeper(0.02, slow), x), (Sleeper(0, fast), x)]
    medians = latency_ms(models, rows=5, repeats=3)
    assert medians[0] >= 20 and 0 < medians[1] < medians[0]
    assert [batch.shape for batch in slow] == [(5, 2)] * 5  # two more than are timed
    np.testing.assert_array_equal(fast[0], [[2, 3]] * 5)


def test_rows_are_repeated_to_fill_a_batch_and_cut_to_fit():
    batches = []
    x = np.arange(6, dtype="float32").reshape(3, 2)
    latency_ms([(Sleeper(0, batches), x)], rows=5, repeats=1)
    np.testing.assert_array_equal(batches[0], x[[0, 1, 2, 0, 1]])
    latency_ms([(Sleeper(0, batches), x)], rows=2, repeats=1)
    np.testing.assert_array_equal(batches[-1], x[:2])


# Of the student 3 -> 5 -> 4 -> 1: the prediction, the gradients of all kernels, and those of the
# inputs of all layers but the first.
FORWARD = 15 + 20 + 4
ALONE = 2 * FORWARD + 20 + 4
ENCODERS = {"student": (5 + 4) * 6, "teacher": (7 + 6) * 6}
DECODERS = {"student": 6 * (5 + 4), "teacher": 6 * (7 + 6)}
# Each module costs its product, and as much for its kernel's and for its input's gradient. What the
# teacher encodes of x is constant, and so has no gradient; its middle has no kernel to learn.
CONSISTENCY = 3 * ENCODERS["student"] + 2 * ENCODERS["teacher"]
CONSISTENCY += 3 * DECODERS["student"] + 3 * DECODERS["teacher"]
ROUND = 3 * DECODERS["teacher"] + 2 * 7 * 6 + 3 * ENCODERS["teacher"] + 3 * DECODERS["student"]
NEXT_ROUND = ROUND + 3 * 5 * 4 + 3 * ENCODERS["student"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Scratch(), ALONE),
        (LabelDistillation(), ALONE),
        (FitNet(linear=True), ALONE + 2 * (7 + 6) * (5 + 4)),
        (TalkingModels(0, message_dim=6, linear=True), ALONE + CONSISTENCY),
        # The first round's decoding by the teacher serves the consistency of states too.
        (
            TalkingModels(1, message_dim=6, linear=True),
            ALONE + CONSISTENCY + ROUND - 3 * DECODERS["teacher"],
        ),
        (
            TalkingModels(2, message_dim=6, linear=True),
            ALONE + CONSISTENCY + ROUND - 3 * DECODERS["teacher"] + NEXT_ROUND,
        ),
    ],
    ids=["scratch", "ld", "fitnet", "td-0", "td-1", "td-2"],
)
def test_multiply_adds_of_a_training_step(method, expected):
    student, teacher = student_and_teacher()
    x, y = inputs_and_ratings()
    fields = method.teacher_fields
    distiller = Distiller(student, teacher, method)
    distiller.compile("sgd", loss="mse")
    rows = attach(x, teacher(x), fields) if fields else x
    distiller.train_on_batch(rows, y)
    assert training_multiply_adds(distiller, (rows, y)) == expected
    if fields:  # the teacher is run, its last layer for its prediction alone
        its = 3 * 7 + 7 * 6 + (6 if "prediction" in fields else 0)
        assert training_multiply_adds(distiller, (x, y)) == expected + its


def test_multiply_adds_of_the_paper_s_models():
    ids = {"user": Ids(944), "movie": Ids(1683)}
    kinds = {**ids, "title": Words(500, 8), "genres": Flags(19)}
    x = {
        "user": np.zeros(3, "int32"),
        "movie": np.zeros(3, "int32"),
        "title": np.zeros((3, 8), "int32"),
        "genres": np.zeros((3, 19), "float32"),
    }
    assert multiply_adds(rating_mlp(kinds), x) == 19 * 50 + 300 * 512 + 512 * 256 + 256
    student = rating_mlp(kinds, units=(128, 64), id_dim=25, text_dim=13)
    assert multiply_adds(student, x) == 19 * 13 + 76 * 128 + 128 * 64 + 64


def test_multiply_adds_of_convolution_and_attention():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, padding="same")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="valid")(x)
    convolution = 8 * 8 * 5 * (3 * 3 * 3) + 6 * 6 * 5 * (3 * 3)
    assert multiply_adds(keras.Model(image, x), np.zeros((2, 8, 8, 3), "float32")) == convolution

    words, width, heads, key = 7, 6, 2, 4
    sequence = keras.Input((words, width))
    attention = keras.layers.MultiHeadAttention(heads, key)(sequence, sequence)
    projections = 4 * words * width * heads * key
    products = 2 * words * words * heads * key
    x = np.zeros((2, words, width), "float32")
    assert multiply_adds(keras.Model(sequence, attention), x) == projections + products


def test_multiply_adds_of_a_loop_are_not_known():
    sequence = keras.Input((9, 3))
    model = keras.Model(sequence, keras.layers.LSTM(4)(sequence))
    assert multiply_adds(model, np.zeros((2, 9, 3), "float32")) is None


def test_a_file_has_the_weights_and_no_optimizer(tmp_path):
    x, y = inputs_and_ratings()
    model = small_model()
    save_keras(model, tmp_path / "before.keras")
    model.compile("adam", loss="mse")
    model.fit(x, y, verbose=0)
    optimizer = model.optimizer
    save_keras(model, tmp_path / "after.keras")
    assert model.optimizer is optimizer
    before, after = (tmp_path / f"{name}.keras" for name in ("before", "after"))
    assert after.stat().st_size <= before.stat().st_size
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(after) as new:
        weights = "model.weights.h5"
        assert new.getinfo(weights).file_size == old.getinfo(weights).file_size
    again = keras.models.load_model(tmp_path / "after.keras")
    assert not again.compiled
    np.testing.assert_array_equal(np.array(again(x)), np.array(model(x)))


def test_a_file_has_what_lookups_learned(tmp_path):
    name = keras.Input((), dtype="string", name="name")
    lookup = keras.layers.StringLookup(output_mode="one_hot")
    lookup.adapt(["ann", "bob", "bob"])
    model = keras.Model(name, keras.layers.Dense(1)(lookup(name)))
    model.compile("adam", loss="mse", jit_compile=False)
    save_keras(model, tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    names = tf.constant(["bob", "zoe", "ann"])
    np.testing.assert_array_equal(np.array(again(names)), np.array(model(names)))
    assert not again.compiled


def test_comparison_of_two_models(tmp_path):
    x, y = inputs_and_ratings()
    teacher, student = small_model(50, 40, name="teacher"), small_model(5, 4, name="student")
    teacher.compile("adam", loss="mse")
    teacher.fit(x, y, verbose=0)
    comparison = compare_models(teacher, student, x, repeats=3)
    for model, cost in ((teacher, comparison.teacher), (student, comparison.student)):
        assert cost.name == model.name
        assert cost.params == sum(int(np.prod(v.shape)) for v in model.weights)
        save_keras(model, tmp_path / f"{model.name}.keras")
        assert cost.file_bytes == (tmp_path / f"{model.name}.keras").stat().st_size
        assert set(cost.latency_ms) == {1, 256}
        assert all(0 < latency < 1e4 for latency in cost.latency_ms.values())
    assert comparison.teacher.multiply_adds == 3 * 50 + 50 * 40 + 40
    assert comparison.student.multiply_adds == 3 * 5 + 5 * 4 + 4


def test_teacher_with_inputs_of_its_own():
    student, (x, _) = small_model(), inputs_and_ratings()
    wide = keras.Input((10,))
    teacher = keras.Model(wide, keras.layers.Dense(1)(wide))
    ones = np.ones((1, 10), "float32")
    comparison = compare_models(teacher, student, x, teacher_sample=ones, repeats=1)
    assert comparison.teacher.multiply_adds == 10


def test_a_model_without_configuration_has_no_file_size():
    sleeper, (x, _) = Sleeper(0, []), inputs_and_ratings()
    sleeper(x)
    assert compare_models(sleeper, small_model(), x, repeats=1).teacher.file_bytes is None


def test_markdown():
    comparison = Comparison(
        ModelCost("t", 9000, None, 40000, {1: 2.0}), ModelCost("s", 1200, 55, 8000, {1: 0.5})
    )
    assert comparison.to_markdown() == (
        "| | teacher | student | teacher / student |\n"
        "|---|---:|---:|---:|\n"
        "| parameters | 9,000 | 1,200 | 7.5 |\n"
        "| multiply-adds a row | – | 55 | – |\n"
        "| `.keras` file, bytes | 40,000 | 8,000 | 5.0 |\n"
        "| latency, batch of 1, ms | 2.000 | 0.500 | 4.0 |\n"
    )
    assert comparison.to_dict()["student"]["latency_ms"] == {1: 0.5}


def test_bad_arguments():
    model, (x, _) = small_model(), inputs_and_ratings()
    with pytest.raises(ValueError, match="`repeats` must be at least 1. Received: 0."):
        compare_models(model, model, x, repeats=0)
    with pytest.raises(ValueError, match="at least one row. Received: no rows."):
        compare_models(model, model, x[:0])
