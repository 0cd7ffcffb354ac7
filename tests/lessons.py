"""A method between two small models, and what it gives them."""

import numpy as np

import numpy_reference as reference
from small_models import (
    inputs_and_ratings,
    numpy_layer,
    numpy_trace,
    randomise,
    student_and_teacher,
)
from tdrec.distill.model_split import Trace

SIZES = {"message_dim": 6, "hidden_dim": 9}
WEIGHTS = {"interaction_weight": 2.0, "message_weight": 0.5, "state_weight": 3.0}
SAMPLE_WEIGHT = np.array([0, 1, 2, 0.5, 0, 3, 1, 1, 0, 0.25, 1, 4], "float32")
CODECS = ("student_encoder", "student_decoder", "teacher_encoder", "teacher_decoder")


class Lesson:
    """A method, built with random weights, between two small models."""

    def __init__(self, method, outputs=1, seed=0):
        self.method = method
        self.student, self.teacher = student_and_teacher(seed, outputs)
        self.models = self.student.layers[0], self.teacher.layers[0]
        self.x, _ = inputs_and_ratings(seed=seed)
        method.build(self.student.shapes, self.teacher.shapes)
        randomise(method, seed + 10)

    def terms(self, **context):
        fields = self.method.teacher_fields
        trace = self.teacher(self.x)
        teacher = Trace(*(t if f in fields else None for f, t in trace._asdict().items()))
        return self.method.compute_loss(
            self.student(self.x),
            teacher,
            student_middle=self.student.interpreter(self.x),
            teacher_middle=self.teacher.interpreter(self.x),
            **context,
        )

    def numpy_traces(self):
        return tuple(numpy_trace(model, self.x) for model in self.models)

    def speakers(self):
        return tuple(
            reference.speaker(
                getattr(self.method, f"{name}_encoder"),
                getattr(self.method, f"{name}_decoder"),
                numpy_layer(model, "high"),
            )
            for name, model in zip(("student", "teacher"), self.models, strict=True)
        )

    def numpy_talk(self, rounds, **options):
        student, teacher = self.numpy_traces()
        return reference.talking_models(
            student[:2], teacher[:2], *self.speakers(), rounds, **options
        )


def assert_terms(terms, expected):
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name].shape == ()
        np.testing.assert_allclose(terms[name], value, rtol=1e-5, err_msg=name)
