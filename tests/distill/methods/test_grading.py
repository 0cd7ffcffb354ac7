"""Grading against NumPy, for outputs of each kind, masks, several teachers, and what it refuses."""

import keras
import numpy as np
import pytest

import numpy_reference as reference
from gradients import norm, value_and_gradients
from lessons import SAMPLE_WEIGHT, SIZES, Lesson, assert_terms
from small_distillers import X, Y, fit, make_distiller, numbers
from small_models import numpy_layer, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.masks import masked
from tdrec.distill.methods import Grading
from tdrec.distill.methods.multi_teacher import MultiTeacher
from tdrec.distill.model_split import Trace


def head(lesson):
    """The teacher's last layer, in NumPy."""
    layer = lesson.models[1].layers[-1]
    kernel, bias = (np.asarray(w, "float64") for w in layer.get_weights())
    assert layer.activation is keras.activations.linear
    return lambda high: high @ kernel + bias


def comparable(prediction, task, from_logits=True):
    if not from_logits:
        odds = prediction if task == "classes" else prediction / (1 - prediction)
        prediction = np.log(odds)
    if task == "classes":
        prediction = prediction - prediction.mean(-1, keepdims=True)
    return prediction


def relative(a, b):
    return ((a - b) ** 2).mean(-1) / (b.var(0).mean() + 1e-4)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("task", [None, "regression", "binary", "classes"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_grading_equals_numpy(rounds, task, weight):
    lesson = Lesson(Grading(rounds, weight=0.7, task=task, **SIZES), outputs=3)
    (s, e, _), (_, high, prediction) = lesson.numpy_traces()
    method, expected = lesson.method, {}
    both = rounds > 1
    g = reference.speaker(
        method.student_encoder,
        method.student_decoder if both else method.teacher_decoder,
        numpy_layer(lesson.models[0], "high"),
    )
    h = reference.speaker(
        method.teacher_encoder if both else method.student_encoder,
        method.teacher_decoder,
        numpy_layer(lesson.models[1], "high"),
    )
    for i in range(1, rounds + 1):
        heard, _ = h.decode(g.encode(s, e))
        understood = h.middle(heard)
        judged = head(lesson)(understood)
        distances = (
            relative(understood, high),
            relative(comparable(judged, task), comparable(prediction, task)),
        )
        expected[f"grade_loss_{i}"] = 0.7 * sum(reference.mean(d, weight) for d in distances)
        if i < rounds:
            s, _ = g.decode(h.encode(heard, understood))
            e = g.middle(s)
    assert_terms(lesson.terms(sample_weight=weight), expected)


def test_probabilities_are_compared_by_their_logits():
    keras.utils.set_random_seed(0)
    student, _ = student_and_teacher()
    draw = np.random.default_rng(0)
    states = Trace(*(draw.normal(size=(12, n)).astype("float32") for n in (9, 6, 1)))
    clicks = 1 / (1 + np.exp(-states.prediction))

    class Judge:
        def __init__(self, judged):
            self.judged = judged

        def judge(self, low):
            return states.high + 0.1, self.judged

    found = []
    for judged, target, from_logits in (
        (states.prediction + 0.5, states.prediction, True),
        (1 / (1 + np.exp(-states.prediction - 0.5)), clicks, False),
    ):
        method = Grading(task="binary", from_logits=from_logits, **SIZES)
        teacher = states._replace(prediction=target)
        method.settle("mse", student, None)
        method.build(student.shapes, Trace((None, 9), (None, 6), (None, 1)))
        terms = method.compute_loss(
            student(X[:12]), teacher, student_middle=None, teacher_middle=Judge(judged)
        )
        found.append(float(terms["grade_loss_1"]))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_what_is_not_there_is_not_graded():
    draw = np.random.default_rng(0)
    there = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 1, 0]], bool)
    states = Trace(*(draw.normal(size=(4, 3, n)).astype("float32") for n in (5, 4, 2)))

    class Judge:
        def judge(self, low):
            return states.high + 0.3, states.prediction - 0.2

    def loss(filler):
        target = Trace(*(np.where(there[..., None], t, filler) for t in states))
        method = Grading(task="classes", **SIZES)
        shapes = Trace(*((None, *t.shape[1:]) for t in states))
        method.build(shapes, shapes)
        student = Trace(*map(keras.ops.convert_to_tensor, states))
        masked(student.low, keras.ops.convert_to_tensor(there))
        terms = method.compute_loss(student, target, student_middle=None, teacher_middle=Judge())
        return float(terms["grade_loss_1"])

    kept = states.high[there], comparable(states.prediction[there], "classes")
    judged = comparable(states.prediction[there] - 0.2, "classes")
    expected = relative(kept[0] + 0.3, kept[0]).mean() + relative(judged, kept[1]).mean()
    assert loss(0.0) == pytest.approx(expected, rel=1e-4)
    assert loss(1e6) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("stored", [False, True])
def test_the_teacher_is_frozen_and_the_student_learns(stored):
    distiller = make_distiller(Grading(2, weight=3.0, **SIZES))
    teacher = distiller.teacher.layers[0]
    before, student = numbers(teacher), numbers(distiller.student.layers[0])
    data = distiller.with_teacher_targets((X, Y), batch_size=12) if stored else X
    logs = fit(distiller, data, None if stored else Y, epochs=3)
    assert logs["grade_loss_1"][-1] < logs["grade_loss_1"][0]
    assert all(np.array_equal(a, b) for a, b in zip(before, numbers(teacher), strict=True))
    now = numbers(distiller.student.layers[0])
    assert not any(np.array_equal(a, b) for a, b in zip(student, now, strict=True))


def test_another_label_is_no_hindrance():
    distiller = make_distiller(Grading(**SIZES), loss="binary_crossentropy")
    assert distiller.method.kind.task == "regression"
    clicks = (np.ravel(Y) > np.median(Y)).astype("float32")
    assert np.isfinite(fit(distiller, X, clicks)["loss"]).all()


def test_several_teachers_grade_by_themselves():
    first = student_and_teacher()[1]
    second = student_and_teacher(seed=1)[1]
    method = MultiTeacher([Grading(**SIZES), Grading(2, **SIZES)])
    distiller = Distiller(student_and_teacher()[0], [first, second], method)
    distiller.compile("adam", loss="mse", run_eagerly=True)
    logs = fit(distiller)
    assert {"teacher_1_grade_loss_1", "teacher_2_grade_loss_2"} <= set(logs)


def test_a_saved_distiller_grades_alike(tmp_path):
    distiller = make_distiller(Grading(2, **SIZES))
    fit(distiller)
    distiller.save(tmp_path / "d.keras")
    again = keras.saving.load_model(tmp_path / "d.keras")
    again.teacher = distiller.teacher
    assert fit(distiller)["loss"] == pytest.approx(fit(again)["loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounds": 0}, "`rounds` must be an integer of at least 1. Received: 0"),
        ({"weight": 0.0}, "`weight` must be positive"),
        ({"task": "stars"}, "stars"),
    ],
)
def test_arguments_out_of_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Grading(**arguments)


def test_one_output_is_graded():
    shapes = Trace((None, 9), (None, 6), {"a": (None, 1), "b": (None, 1)})
    with pytest.raises(ValueError, match="one output of the teacher.* output="):
        Grading().check_shapes(Trace((None, 5), (None, 4), (None, 1)), shapes)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("task", ["regression", "classes"])
def test_answers_to_mixed_states_equal_numpy(task, weight):
    lesson = Lesson(Grading(ask_weight=0.3, task=task, **SIZES), outputs=3)
    (s, _, _), _ = lesson.numpy_traces()
    method = lesson.method
    own, theirs = (numpy_layer(model, "high") for model in lesson.models)
    g = reference.speaker(method.student_encoder, method.teacher_decoder, own)
    question = 0.5 * (s + np.roll(s, 1, axis=0))
    heard, _ = g.decode(g.encode(question, own(question)))
    answer = head(lesson)(theirs(heard))
    kernel, bias = lesson.models[0].layers[-1].get_weights()
    said = own(question) @ kernel + bias
    distance = {"regression": reference.l2, "classes": lambda a, b: reference.kl(b, a)}[task]
    expected = 0.3 * reference.mean(distance(said, answer), weight)
    found = lesson.terms(sample_weight=weight)
    np.testing.assert_allclose(found["answer_loss"], expected, rtol=1e-4)
    # Questions are drawn anew in each step of training, and the teacher's answer is a constant.
    drawn = [float(lesson.terms(training=True)["answer_loss"]) for _ in range(2)]
    assert drawn[0] != drawn[1]
    variables = method.teacher_decoder.trainable_variables
    _, gradients = value_and_gradients(lambda: lesson.terms()["answer_loss"], variables)
    assert all(g is None or norm([g]) == 0 for g in gradients)
