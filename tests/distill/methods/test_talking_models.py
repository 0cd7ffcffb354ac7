import keras
import numpy as np
import pytest
from keras import ops

import numpy_reference as reference
from gradients import float64, norm, value_and_gradients
from lessons import CODECS, SAMPLE_WEIGHT, SIZES, WEIGHTS, Lesson, assert_terms
from tdrec.distill.methods import (
    TalkingModels,
)

ROUND_LOSSES = {"interaction_loss_1", "interaction_loss_2"}


def weight_of(term):
    """The weight of a term of TD: "interaction_loss_2" has the interaction's."""
    return WEIGHTS[f"{term.partition('_')[0]}_weight"]


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
@pytest.mark.parametrize("target", ["latest", "original"])
def test_talking_models_equals_numpy(rounds, target):
    lesson = Lesson(TalkingModels(rounds, **SIZES, **WEIGHTS, target=target))
    for weight in (None, SAMPLE_WEIGHT):
        raw = lesson.numpy_talk(rounds, target=target, weight=weight)
        expected = {name: weight_of(name) * loss for name, loss in raw.items()}
        assert len(expected) == rounds + 2
        assert set(lesson.method.terms) == set(expected)
        assert_terms(lesson.terms(sample_weight=weight), expected)


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_a_teacher_that_does_not_interpret_sends_back_what_it_decoded(rounds):
    lesson = Lesson(TalkingModels(rounds, **SIZES, interpret=False))
    student, teacher = lesson.numpy_traces()
    g, h = lesson.speakers()
    decoded = {}

    def decode(message):
        low, high = h.decode(message)
        decoded[low.tobytes()] = high
        return low, high

    silent = h._replace(decode=decode, middle=lambda low: decoded[low.tobytes()])
    expected = reference.talking_models(student[:2], teacher[:2], g, silent, rounds)
    assert_terms(lesson.terms(), expected)
    if rounds:
        interpreted = lesson.numpy_talk(rounds)["interaction_loss_1"]
        assert abs(expected["interaction_loss_1"] - interpreted) > 1e-3


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("task", ["regression", "classes"])
def test_label_distillation_is_added_to_talking_models(task, weight):
    method = TalkingModels(1, **SIZES, label_weight=0.7, task=task, temperature=2.0)
    lesson = Lesson(method, outputs=3)
    student, teacher = (trace[2] for trace in lesson.numpy_traces())
    values = (
        reference.l2(student, teacher)
        if task == "regression"
        else reference.kl(teacher, student, 2.0)
    )
    expected = lesson.numpy_talk(1, weight=weight)
    assert method.teacher_fields == ("low", "high", "prediction")
    expected["label_loss"] = 0.7 * reference.mean(values, weight)
    assert_terms(lesson.terms(sample_weight=weight), expected)


def test_without_label_distillation_the_teachers_prediction_is_not_read():
    method = TalkingModels(1, **SIZES)
    assert method.teacher_fields == ("low", "high")
    assert "label_loss" not in method.terms


def test_targets_differ_from_the_second_round_on():
    latest, original = (
        Lesson(TalkingModels(2, **SIZES)).numpy_talk(2, target=t) for t in ("latest", "original")
    )
    assert latest["interaction_loss_1"] == original["interaction_loss_1"]
    assert abs(latest["interaction_loss_2"] - original["interaction_loss_2"]) > 1e-3


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("distance", ["cosine", "pearson"])
def test_talking_models_with_other_distances_equals_numpy(distance, linear):
    lesson = Lesson(TalkingModels(2, **SIZES, distance=distance, linear=linear))
    assert_terms(lesson.terms(), lesson.numpy_talk(2, distance=distance))


@pytest.mark.parametrize(
    ("dropped", "terms", "codecs"),
    [
        ("interaction", {"message_loss", "state_loss"}, set(CODECS)),
        ("message", {*ROUND_LOSSES, "state_loss"}, set(CODECS)),
        ("state", {*ROUND_LOSSES, "message_loss"}, set(CODECS)),
        ("message state", ROUND_LOSSES, set(CODECS)),
        ("interaction message", {"state_loss"}, set(CODECS)),
        ("interaction state", {"message_loss"}, {"student_encoder", "teacher_encoder"}),
    ],
)
def test_a_weight_of_0_drops_a_loss_and_what_only_it_needs(dropped, terms, codecs):
    off = {f"{name}_weight": 0.0 for name in dropped.split()}
    lesson = Lesson(TalkingModels(2, **SIZES, **{**WEIGHTS, **off}))
    assert set(lesson.method.terms) == terms
    assert {name for name in CODECS if getattr(lesson.method, name)} == codecs
    if {"student_decoder", "teacher_decoder"} <= codecs:
        raw = lesson.numpy_talk(2)
        expected = {name: weight_of(name) * raw[name] for name in terms}
    else:
        student, teacher = lesson.numpy_traces()
        own, its = (
            reference.codec(getattr(lesson.method, f"{name}_encoder"), np.concatenate(t[:2], -1))
            for name, t in (("student", student), ("teacher", teacher))
        )
        expected = {"message_loss": 0.5 * reference.mean(reference.l2(own, its))}
    assert_terms(lesson.terms(), expected)


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def gradients(request):
    """Gradients and finite differences of the TD loss, for each group of weights, in float64.

    The differences are those of the NumPy equations, where the teacher's states are constants.
    """
    with float64():
        lesson = Lesson(TalkingModels(request.param, **SIZES, **WEIGHTS))
        groups = {"student": lesson.models[0]}
        groups |= {name: getattr(lesson.method, name) for name in CODECS}
        variables = {
            name: [v for v in group.trainable_variables if not v.path.startswith("out")]
            for name, group in groups.items()
        }
        total, found = value_and_gradients(lambda: sum(lesson.terms().values()), variables)

        def numpy_loss():
            raw = lesson.numpy_talk(request.param)
            return sum(weight_of(name) * loss for name, loss in raw.items())

        rng, step, pairs = np.random.default_rng(3), 1e-6, {}
        np.testing.assert_allclose(total, numpy_loss(), rtol=1e-7)
        for name, group in variables.items():
            start = [v.numpy() for v in group]
            for _ in range(3):
                direction = [rng.normal(size=value.shape) for value in start]
                ends = []
                for sign in (1, -1):
                    for v, value, along in zip(group, start, direction, strict=True):
                        v.assign(value + sign * step * along)
                    ends.append(numpy_loss())
                for v, value in zip(group, start, strict=True):
                    v.assign(value)
                slope = sum(
                    np.sum(g * along) for g, along in zip(found[name], direction, strict=True)
                )
                pairs.setdefault(name, []).append((slope, (ends[0] - ends[1]) / (2 * step)))
    return pairs


@pytest.mark.parametrize("group", ["student", *CODECS])
def test_gradient_of_the_talk_equals_finite_differences(gradients, group):
    slopes, differences = np.transpose(gradients[group])
    assert abs(slopes).min() > 1e-4
    np.testing.assert_allclose(slopes, differences, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rounds", [1, 2])
def test_the_answers_teach_all_codecs_through_the_frozen_teacher(rounds):
    lesson = Lesson(TalkingModels(rounds, **SIZES, message_weight=0.0, state_weight=0.0))
    before = [v.numpy() for v in lesson.models[1].variables]
    groups = {name: getattr(lesson.method, name).trainable_variables for name in CODECS}
    _, found = value_and_gradients(lambda: sum(lesson.terms().values()), groups)
    for name, group in found.items():
        assert norm(group) > 1e-4, name
    for v, value in zip(lesson.models[1].variables, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), value)


def test_gradient_flows_through_what_the_teacher_interpreted():
    lesson = Lesson(TalkingModels(1, **SIZES, message_weight=0.0, state_weight=0.0))
    encoder = lesson.method.student_encoder.trainable_variables
    teacher_middle = lesson.teacher.interpret
    norms = []
    for middle in (teacher_middle, lambda low, carried: ops.stop_gradient(teacher_middle(low))):
        lesson.teacher.interpret = middle
        _, found = value_and_gradients(lambda: lesson.terms()["interaction_loss_1"], encoder)
        norms.append(norm(found))
    # s'_h itself goes into the answer too: without H_h the gradient is another one, not 0.
    assert abs(norms[0] - norms[1]) > 1e-5


def test_noise_acts_in_training_only_and_on_the_interaction_only():
    quiet = Lesson(TalkingModels(2, **SIZES))
    keras.utils.set_random_seed(0)
    noisy = Lesson(TalkingModels(2, **SIZES, noise=0.5))
    assert_terms(noisy.terms(), {name: float(v) for name, v in quiet.terms().items()})
    first, second = noisy.terms(training=True), noisy.terms(training=True)
    assert abs(float(first["interaction_loss_1"] - second["interaction_loss_1"])) > 1e-4
    for name in ("message_loss", "state_loss"):
        np.testing.assert_allclose(first[name], quiet.terms()[name], rtol=1e-6)


def test_noise_has_the_standard_deviation_that_was_asked_for():
    method = TalkingModels(1, **SIZES, noise=0.3)
    noise = np.array(method.add_noise(ops.zeros((2000, 7))))
    assert abs(noise.std() - 0.3) < 0.01
    assert abs(noise.mean()) < 0.01
