import json
import math

import keras
import numpy as np
import pytest
from keras import ops

import small_models
from tdrec.diagnostics.diagnosis import diagnose
from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.method import Method
from tdrec.distill.methods import FeatureDistillation, LabelDistillation, Scratch
from tdrec.distill.methods.talking_models import TalkingModels
from tdrec.distill.teacher_targets import batches

QUICK = {"steps": 3, "scratch_steps": 20, "batch_size": 64}


def patient(method=None, teacher=None, learning_rate=0.05):
    """A sound case: the labels are the teacher's own predictions with a little noise."""
    student, its = small_models.student_and_teacher()
    keras.utils.set_random_seed(0)
    distiller = Distiller(student, teacher or its, method or LabelDistillation())
    distiller.compile(keras.optimizers.Adam(learning_rate), loss="mse", run_eagerly=True)
    x, noise = small_models.inputs_and_ratings(400)
    return distiller, (x, np.array(its(x).prediction) + 0.1 * noise)


def talking():
    return TalkingModels(rounds=1, message_dim=6, hidden_dim=8)


def state_of(distiller):
    models = (*distiller.student.layers, *distiller.teacher.layers, distiller)
    return [keras.ops.convert_to_numpy(v) for model in models for v in model.variables]


def statuses(diagnosis):
    return {finding.check: finding.status for finding in diagnosis.findings}


def test_a_sound_case_gives_no_warning_and_nothing_is_changed():
    distiller, data = patient(talking())
    before = state_of(distiller)
    diagnosis = diagnose(distiller, data, **QUICK)
    assert diagnosis.status == OK, str(diagnosis)
    checked = (
        "data",
        "outputs",
        "kind",
        "range",
        "scale",
        "units",
        "gradients",
        "teacher",
        "scratch",
    )
    assert list(statuses(diagnosis)) == [*checked, "training", "messages", "alignment", "cost"]
    for a, b in zip(before, state_of(distiller), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not distiller.optimizer.built
    assert str(diagnosis).endswith("OK: 13 OK, 0 WARN, 0 FAIL")
    stored = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert stored["status"] == OK
    assert len(stored["findings"]) == 13

    (cost,) = diagnosis.of("cost")
    assert cost.figures["student_params"] == distiller.student.layers[0].count_params()
    assert cost.figures["method_params"] == distiller.method.count_params()
    assert cost.figures["rows"] == 360  # the last tenth is to judge on
    assert cost.figures["steps"] == 57  # ceil(10 epochs x 360 / 64)
    assert cost.figures["targets_bytes"] == 360 * (7 + 6) * 4

    (teacher,) = diagnosis.of("teacher")
    x, y = (part[360:] for part in data)
    expected = np.mean((distiller.teacher(x).prediction - y) ** 2)
    assert teacher.figures["teacher"] == pytest.approx(float(expected), rel=1e-5)
    expected = np.mean((data[1][:360].mean() - y) ** 2)
    assert teacher.figures["constant"] == pytest.approx(float(expected), rel=1e-5)

    again = diagnose(distiller, data, **QUICK)
    for a, b in zip(diagnosis.findings, again.findings, strict=True):
        assert a == b or a.check == b.check == "cost"


@pytest.mark.parametrize("where", ["inputs", "labels"])
def test_nan_in_the_rows_ends_the_diagnosis(where):
    distiller, (x, y) = patient()
    {"inputs": x, "labels": y}[where][7] = np.nan
    diagnosis = diagnose(distiller, (x, y), **QUICK)
    assert statuses(diagnosis) == {"data": FAIL}
    assert f"1 rows of {where}" in diagnosis.findings[0].text


def test_a_teacher_of_shuffled_labels_is_worse_than_no_teacher():
    x, y = patient()[1]
    teacher = small_models.small_model(40, 40, 9)
    teacher.compile(keras.optimizers.Adam(0.02), loss="mse", jit_compile=False)
    shuffled = np.random.default_rng(0).permutation(y[:60])
    teacher.fit(x[:60], shuffled, epochs=60, batch_size=60, verbose=0)
    distiller, _ = patient(teacher=split_model(teacher, "low", "high"))
    diagnosis = diagnose(distiller, (x, y), **QUICK)
    assert statuses(diagnosis)["teacher"] == FAIL
    assert "worse than a student from scratch" in diagnosis.of("teacher")[0].text
    assert diagnosis.status == FAIL


@pytest.mark.parametrize(
    "method", [talking, lambda: FeatureDistillation(message_dim=6, hidden_dim=8)]
)
def test_a_collapsed_encoder(method):
    distiller, data = patient(method())
    output = distiller.method.teacher_encoder.body.layers[-1]
    output.kernel.assign(ops.zeros(output.kernel.shape))
    output.bias.assign(ops.ones(output.bias.shape))
    diagnosis = diagnose(distiller, data, **QUICK)
    (messages,) = diagnosis.of("messages")
    assert messages.status == FAIL
    assert messages.figures["teacher's now"]["effective_rank"] == 0
    assert messages.figures["student's now"]["effective_rank"] > 2


class HalfIdle(Method):
    """One term that teaches, and one that is cut off from the student."""

    teacher_fields = ("prediction",)
    terms = ("good_loss", "idle_loss")

    def compute_loss(self, student, teacher, **_):
        good = ops.mean(ops.square(student.prediction - teacher.prediction))
        idle = ops.mean(ops.square(ops.stop_gradient(student.low)))
        return {"good_loss": good, "idle_loss": idle}


def test_a_term_without_a_gradient():
    distiller, data = patient(HalfIdle())
    diagnosis = diagnose(distiller, data, **QUICK)
    (gradients,) = diagnosis.of("gradients")
    assert gradients.status == WARN
    assert "No gradient reaches the student from idle_loss." in gradients.text


def test_exploding_weights():
    distiller, data = patient()
    kernel = distiller.student.layers[0].get_layer("out").kernel
    kernel.assign(kernel * 1e6)
    found = statuses(diagnose(distiller, data, **QUICK))
    assert found["range"] == found["gradients"] == WARN
    kernel.assign(kernel * 1e36)
    found = statuses(diagnose(distiller, data, **QUICK))
    assert found == {"data": OK, "outputs": FAIL}


def test_training_that_diverges_is_undone():
    distiller, data = patient(learning_rate=1e30)
    before = state_of(distiller)
    diagnosis = diagnose(distiller, data, **QUICK)
    assert diagnosis.of("training")[0].status == FAIL
    for a, b in zip(before, state_of(distiller), strict=True):
        np.testing.assert_array_equal(a, b)
    json.dumps(diagnosis.to_dict(), allow_nan=False)


def test_ids_without_a_row():
    def model(width):
        x = inputs = keras.Input((), dtype="int32")
        x = keras.layers.Embedding(10, width)(x)
        x = keras.layers.Dense(width, "tanh", name="low")(x)
        x = keras.layers.Dense(width, "tanh", name="high")(x)
        return split_model(keras.Model(inputs, keras.layers.Dense(1)(x)), "low", "high")

    distiller = Distiller(model(3), model(4), LabelDistillation())
    distiller.compile("adam", loss="mse", run_eagerly=True)
    ids, y = np.resize(np.arange(10, dtype="int32"), 200), np.linspace(1, 5, 200)[:, None]
    ids[11] = -1
    diagnosis = diagnose(distiller, (ids, y), **QUICK)
    assert statuses(diagnosis) == {"data": OK, "ids": FAIL, "outputs": OK}


def test_datasets_weights_and_a_given_student_and_validation():
    distiller, (x, y) = patient()
    weight = np.linspace(0.5, 1.5, len(x)).astype("float32")
    rows, validation = (
        (x[part], y[part], weight[part]) for part in (slice(0, 300), slice(300, None))
    )
    diagnosis = diagnose(
        distiller,
        batches(rows, 50),
        validation=batches(validation, 30),
        scratch=lambda inputs: 0.5 * distiller.teacher(inputs).prediction,
        steps=3,
    )
    vx, vy, vw = validation
    prediction = 0.5 * distiller.teacher(vx).prediction
    expected = np.average(np.mean((prediction - vy) ** 2, axis=1), weights=vw)
    assert diagnosis.of("teacher")[0].figures["scratch"] == pytest.approx(expected, rel=1e-5)
    assert diagnosis.of("cost")[0].figures["steps"] == 60  # batches of 50, as the dataset's


def test_without_a_teacher_the_student_alone_is_looked_at():
    student, _ = small_models.student_and_teacher()
    distiller = Distiller(student, None, Scratch())
    distiller.compile("adam", loss="mse", run_eagerly=True)
    found = statuses(diagnose(distiller, patient()[1], **QUICK))
    assert not {"teacher", "messages", "alignment"} & set(found)
    assert {"scratch", "units", "training", "cost"} <= set(found)


@pytest.mark.parametrize("labels_shape", [(), (1,)])
def test_classes_are_compared_by_their_loss(labels_shape):
    student, teacher = small_models.student_and_teacher(outputs=3)
    distiller = Distiller(student, teacher, LabelDistillation(task="classes"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("adam", loss=loss, run_eagerly=True)
    x, _ = small_models.inputs_and_ratings(200)
    labels = np.argmax(teacher(x).prediction, axis=-1).reshape(200, *labels_shape)
    (finding,) = diagnose(distiller, (x, labels), **QUICK).of("teacher")
    logits = teacher(x[180:]).prediction
    expected = keras.losses.sparse_categorical_crossentropy(labels[180:], logits, from_logits=True)
    assert finding.figures["teacher"] == pytest.approx(float(np.mean(expected)), rel=1e-5)
    assert finding.status == OK


def shaped(split_width, shape, seed):
    """A split whose prediction of a row has that shape: () is one number, without an axis."""
    model = small_models.small_model(*split_width, seed, outputs=math.prod(shape))
    output = keras.layers.Reshape(shape)(model.output)
    return split_model(keras.Model(model.input, output), "low", "high")


def numpy_task_gradient(model, x, labels, weight):
    """Length of the gradient of the mean squared error for the weights of "low" and "high"."""
    low, high, prediction = small_models.numpy_trace(model, x)
    error = 2 * (prediction.reshape(labels.shape) - labels) * weight[:, None] / labels.size
    at_high = error @ model.get_layer("out").kernel.numpy().T * (1 - high**2)
    at_low = at_high @ model.get_layer("high").kernel.numpy().T * (1 - low**2)
    gradients = [low.T @ at_high, at_high.sum(axis=0), x.T @ at_low, at_low.sum(axis=0)]
    return np.sqrt(sum(np.square(gradient).sum() for gradient in gradients))


VALUES = [((), ()), ((), (1,)), ((1,), ()), ((1,), (1,)), ((3,), (3,))]


@pytest.mark.parametrize(("teachers", "labels"), VALUES)
@pytest.mark.parametrize("students", [(), (1,), (3,)])
def test_predictions_and_labels_of_every_shape(students, teachers, labels):
    student, teacher = shaped((5, 4), students, 0), shaped((7, 6), teachers, 50)
    distiller = Distiller(student, teacher, FeatureDistillation(message_dim=6, hidden_dim=8))
    distiller.compile(keras.optimizers.Adam(0.05), loss="mse", run_eagerly=True)
    x, noise = small_models.inputs_and_ratings(200, outputs=math.prod(labels))
    y = np.array(teacher(x).prediction).reshape(200, *labels) + 0.1 * noise.reshape(200, *labels)
    weight = np.linspace(0.5, 1.5, 200).astype("float32")
    if math.prod(students) != math.prod(labels):
        (finding,) = diagnose(distiller, (x, y, weight), **QUICK).of("shapes")
        assert finding.status == FAIL
        return
    diagnosis = diagnose(distiller, (x, y, weight), **QUICK, scratch=lambda x: 0.5 * student(x)[2])

    flat = y.reshape(200, -1)
    its, own = (np.array(split(x).prediction).reshape(200, -1) for split in (teacher, student))
    constant = flat[:180].mean(axis=0)
    losses = {
        who: np.square(prediction - flat)[180:].mean(axis=1)
        for who, prediction in (("teacher", its), ("scratch", 0.5 * own), ("constant", constant))
    }
    (finding,) = diagnosis.of("teacher")
    for who, values in losses.items():
        mean = np.average(values, weights=weight[180:])
        assert finding.figures[who] == pytest.approx(mean, rel=1e-4), who
    gained = losses["teacher"] - losses["scratch"]
    share = weight[180:] / weight[180:].sum()
    error = np.sqrt(np.sum(np.square(share * (gained - share @ gained))))
    assert finding.figures["difference"] == pytest.approx(share @ gained, rel=1e-4)
    assert finding.figures["standard_error"] == pytest.approx(error, rel=1e-4)
    (ranges,) = diagnosis.of("range")
    for name, values in (("student", own), ("teacher", its), ("labels", flat)):
        expected = [values[:180].min(), values[:180].max()]
        assert ranges.figures[name] == pytest.approx(expected, rel=1e-4)
    (gradients,) = diagnosis.of("gradients")
    batch = np.linspace(0, 179, QUICK["batch_size"]).astype(int)
    lost = students == labels == ()  # Keras weighs the mean
    seen = np.full(len(batch), weight[batch].mean()) if lost else weight[batch]
    expected = numpy_task_gradient(student.layers[0], x[batch], flat[batch], seen)
    assert gradients.figures["norms"]["task_loss"] == pytest.approx(expected, rel=1e-4)
    assert [finding.status for finding in diagnosis.of("shapes")] == ([WARN] if lost else [])
    assert diagnosis.of("training")[0].status == OK


def test_several_outputs_of_which_none_is_named():
    def model(width):
        x = inputs = keras.Input((3,))
        x = keras.layers.Dense(width, "tanh", name="low")(x)
        x = keras.layers.Dense(width, "tanh", name="high")(x)
        outputs = {"a": keras.layers.Dense(1)(x), "b": keras.layers.Dense(1)(x)}
        return keras.Model(inputs, outputs)

    x, y = small_models.inputs_and_ratings(200)
    for output, checked in ((None, WARN), ("a", OK)):
        split = split_model(model(4), "low", "high", output=output)
        its = split_model(model(5), "low", "high", output=output)
        distiller = Distiller(split, its, FeatureDistillation(message_dim=6, hidden_dim=8))
        distiller.compile("adam", loss={"a": "mse", "b": "mae"}, run_eagerly=True)
        labels = {"a": np.array(its(x).prediction["a"]), "b": y}
        diagnosis = diagnose(distiller, (x, labels), steps=3, scratch_steps=3)
        (finding,) = diagnosis.of("teacher")
        assert finding.status == checked
    assert finding.figures["loss"] == "mean_squared_error"


def test_refusals():
    distiller, (x, y) = patient()
    for name in ("steps", "scratch_steps", "max_rows"):
        with pytest.raises(ValueError, match=f"`{name}` must be at least .*Received: 2"):
            diagnose(distiller, (x, y), **{name: 2})
    with pytest.raises(ValueError, match="at least 20 rows.*Received: 10 rows for validation"):
        diagnose(distiller, (x[:100], y[:100]))
    with pytest.raises(ValueError, match="x alone"):
        diagnose(distiller, x)
    plain = Distiller(distiller.student, distiller.teacher, LabelDistillation())
    with pytest.raises(ValueError, match="not compiled"):
        diagnose(plain, (x, y))


class Doubling(keras.layers.Layer):
    """A layer that says nothing of masks, and so drops them."""

    def call(self, x):
        return 2 * x


@pytest.mark.filterwarnings("ignore:.*does not support mask")
def test_a_mask_that_is_dropped_and_the_padding_that_is_then_compared():
    def model(units):
        x = inputs = keras.Input((4,), dtype="int32")
        x = Doubling(name="twice")(keras.layers.Embedding(9, units, mask_zero=True)(x))
        x = keras.layers.Dense(units, name="high")(keras.layers.Dense(units, name="low")(x))
        x = keras.layers.GlobalAveragePooling1D()(x)
        return split_model(keras.Model(inputs, keras.layers.Dense(1)(x)), "low", "high")

    method = FeatureDistillation(message_dim=6, hidden_dim=8)
    distiller = Distiller(model(3), model(5), method)
    distiller.compile("adam", loss="mse", run_eagerly=True)
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 9, (200, 4)) * (np.arange(4) < rng.integers(1, 4, (200, 1)))
    y = rng.normal(size=(200, 1)).astype("float32")
    diagnosis = diagnose(distiller, (ids.astype("int32"), y), steps=3, scratch_steps=3)
    ((masks,), (padding,)) = (diagnosis.of(name) for name in ("masks", "padding"))
    assert masks.status == padding.status == WARN
    assert masks.text.count("does not reach its low and its high: the last layer") == 2
    assert f"low and high ({(ids[:180] == 0).mean():.0%} of the tokens" in padding.text


def test_a_teacher_of_logits_is_judged_as_the_student_of_probabilities_is():
    own = small_models.small_model(5, 4, outputs=3)
    inputs = keras.Input((small_models.INPUTS,))
    student = keras.Model(inputs, keras.layers.Softmax()(own(inputs)))
    _, teacher = small_models.student_and_teacher(outputs=3)
    distiller = Distiller(student, teacher, LabelDistillation())
    distiller.compile("adam", loss="sparse_categorical_crossentropy", run_eagerly=True)
    x, _ = small_models.inputs_and_ratings(200)
    labels = np.argmax(teacher(x).prediction, axis=-1)
    diagnosis = diagnose(distiller, (x, labels), **QUICK)
    logits = np.asarray(teacher(x[180:]).prediction, "float64")
    chosen = logits[np.arange(20), labels[180:]] - np.log(np.exp(logits).sum(axis=-1))
    (finding,) = diagnosis.of("teacher")
    assert finding.figures["teacher"] == pytest.approx(-chosen.mean(), rel=1e-4)
    assert finding.status == OK
    (kind,) = diagnosis.of("kind")
    assert "as probabilities: a student" in kind.text and "as logits: a teacher" in kind.text
