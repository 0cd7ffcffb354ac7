import keras
import numpy as np
import pytest
from keras import ops

import numpy_reference as reference
from small_models import (
    inputs_and_ratings,
    numpy_layer,
    numpy_trace,
    randomise,
    student_and_teacher,
)
from tdrec.distill.communication import communicate
from tdrec.distill.messages import MessageDecoder, MessageEncoder

PARTS = (
    "student_middle",
    "teacher_middle",
    "student_encoder",
    "student_decoder",
    "teacher_encoder",
    "teacher_decoder",
)


class Meeting:
    """Two small models with random codecs, in Keras and in NumPy."""

    def __init__(self, linear=False, tokens=()):
        self.student, self.teacher = student_and_teacher()
        self.x, _ = inputs_and_ratings()
        codecs = {
            "student_encoder": MessageEncoder(6, 9, linear=linear),
            "student_decoder": MessageDecoder(5, 4, 9, linear=linear),
            "teacher_encoder": MessageEncoder(6, 9, linear=linear),
            "teacher_decoder": MessageDecoder(7, 6, 9, linear=linear),
        }
        lead = tokens or (12,)
        self.state, its_state = (
            tuple(ops.reshape(state, (*lead, -1)) for state in split(self.x)[:2])
            for split in (self.student, self.teacher)
        )
        codecs["student_encoder"](*self.state)
        codecs["teacher_encoder"](*its_state)
        for name in ("student_decoder", "teacher_decoder"):
            codecs[name](ops.ones((*lead, 6)))
        for i, codec in enumerate(codecs.values()):
            randomise(codec, i)
        self.parts = {
            "student_middle": self.student.interpret,
            "teacher_middle": self.teacher.interpret,
            **codecs,
        }
        self.numpy_state = tuple(
            state.reshape(*lead, -1) for state in numpy_trace(self.student.layers[0], self.x)[:2]
        )
        self.g, self.h = (
            reference.speaker(
                codecs[f"{name}_encoder"], codecs[f"{name}_decoder"], numpy_layer(model, "high")
            )
            for name, model in (
                ("student", self.student.layers[0]),
                ("teacher", self.teacher.layers[0]),
            )
        )


@pytest.fixture(scope="module")
def meeting():
    return Meeting()


def assert_close(tensors, arrays):
    tensors, arrays = keras.tree.flatten(tensors), keras.tree.flatten(arrays)
    assert len(tensors) == len(arrays)
    for tensor, array in zip(tensors, arrays, strict=True):
        np.testing.assert_allclose(tensor, array, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
@pytest.mark.parametrize("linear", [False, True])
def test_conversation_equals_algorithm_1(rounds, linear):
    meeting = Meeting(linear)
    talk = communicate(meeting.state, **meeting.parts, rounds=rounds)
    expected = reference.talk(meeting.numpy_state, meeting.g, meeting.h, rounds)
    messages = [expected.student_messages[0]]
    for i in range(1, rounds + 1):
        messages.append(expected.teacher_messages[i])
        if i < rounds:
            messages.append(expected.student_messages[i])
    assert len(talk.messages) == max(1, 2 * rounds)
    assert len(talk.states) == len(talk.targets) == len(talk.teacher_states) == rounds
    assert_close(talk.messages, messages)
    assert_close(talk.states, expected.decoded)
    assert_close(talk.targets, expected.own)
    assert_close(talk.teacher_states, expected.heard)


def test_rounds_differ_from_each_other(meeting):
    # What makes the test above able to tell one round from the next.
    talk = communicate(meeting.state, **meeting.parts, rounds=3)
    lows = [np.array(low) for low, _ in talk.states]
    assert abs(lows[0] - lows[1]).max() > 1e-3
    assert abs(lows[1] - lows[2]).max() > 1e-3


@pytest.mark.parametrize(
    ("rounds", "calls"),
    [
        (0, (0, 0, 1, 0, 0, 0)),
        (1, (0, 1, 1, 1, 1, 1)),
        (2, (1, 2, 2, 2, 2, 2)),
        (3, (2, 3, 3, 3, 3, 3)),
    ],
)
def test_nothing_unneeded_is_computed(meeting, rounds, calls):
    counted = dict.fromkeys(PARTS, 0)

    def counting(name):
        def call(*arguments):
            counted[name] += 1
            return meeting.parts[name](*arguments)

        return call

    communicate(meeting.state, **{name: counting(name) for name in PARTS}, rounds=rounds)
    assert counted == dict(zip(PARTS, calls, strict=True))


def test_only_what_the_teacher_interprets_is_perturbed(meeting):
    talk = communicate(
        meeting.state, **meeting.parts, rounds=2, perturb=lambda low: low * 0.0 + 0.25
    )
    decoded_low, _ = meeting.h.decode(np.array(talk.messages[0], "float64"))
    np.testing.assert_allclose(talk.teacher_states[0][0], decoded_low, rtol=1e-5, atol=1e-5)
    quarter = np.full((12, 7), 0.25)
    answer = meeting.h.encode(quarter, meeting.h.middle(quarter))
    np.testing.assert_allclose(talk.messages[1], answer, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(talk.messages[3], answer, rtol=1e-5, atol=1e-5)


def test_states_of_rank_3():
    meeting = Meeting(tokens=(4, 3))
    # Dense models run on tokens as they are, where Keras's functional ones want their own rank.
    for name, split in (("student", meeting.student), ("teacher", meeting.teacher)):
        meeting.parts[f"{name}_middle"] = split.layers[0].get_layer("high")
    talk = communicate(meeting.state, **meeting.parts, rounds=2)
    expected = reference.talk(meeting.numpy_state, meeting.g, meeting.h, 2)
    assert [m.shape for m in talk.messages] == [(4, 3, 6)] * 4
    assert_close(talk.states, expected.decoded)
    assert_close(talk.targets, expected.own)


@pytest.mark.parametrize("rounds", [-1, 1.5, 2.0, "2", None])
def test_rounds_must_be_a_whole_number(meeting, rounds):
    with pytest.raises(ValueError, match="`rounds` must be an integer of at least 0. Received: "):
        communicate(meeting.state, **meeting.parts, rounds=rounds)


def test_the_parts_are_given_by_name(meeting):
    # Both sides have parts of one kind, which would be exchanged without a word.
    with pytest.raises(TypeError, match="positional argument"):
        communicate(meeting.state, *meeting.parts.values(), rounds=1)
