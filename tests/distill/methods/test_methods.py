import keras
import numpy as np
import pytest
from keras import ops

import numpy_reference as reference
from gradients import float64, norm, value_and_gradients
from small_models import (
    inputs_and_ratings,
    numpy_layer,
    numpy_trace,
    randomise,
    student_and_teacher,
)
from tdrec.distill import methods
from tdrec.distill.methods import (
    FeatureDistillation,
    FitNet,
    Hybrid,
    LabelDistillation,
    Scratch,
    TalkingModels,
)
from tdrec.distill.model_split import Trace

SIZES = {"message_dim": 6, "hidden_dim": 9}
WEIGHTS = {"interaction_weight": 2.0, "message_weight": 0.5, "state_weight": 3.0}
SAMPLE_WEIGHT = np.array([0, 1, 2, 0.5, 0, 3, 1, 1, 0, 0.25, 1, 4], "float32")
CODECS = ("student_encoder", "student_decoder", "teacher_encoder", "teacher_decoder")
ROUND_LOSSES = {"interaction_loss_1", "interaction_loss_2"}
# Every method, none of its arguments at its default.
UNUSUAL = {
    "scratch": {},
    "ld": {"weight": 0.5, "task": "classes", "temperature": 2.0},
    "fd": {
        "weight": 0.5,
        **SIZES,
        "dropout": 0.1,
        "linear": True,
        "distance": "cosine",
    },
    "fitnet": {
        "weight": 0.5,
        "hidden_dim": 9,
        "dropout": 0.1,
        "linear": True,
        "distance": "pearson",
    },
    "hybrid": {
        "label_weight": 0.5,
        "feature_weight": 2.0,
        "task": "binary",
        "temperature": 3.0,
        **SIZES,
        "dropout": 0.1,
        "linear": True,
        "distance": "cosine",
    },
    "td": {
        "rounds": 3,
        **SIZES,
        **WEIGHTS,
        "dropout": 0.1,
        "linear": True,
        "distance": "cosine",
        "noise": 0.1,
        "target": "original",
        "interpret": False,
        "label_weight": 0.5,
        "task": "classes",
        "temperature": 2.0,
    },
}


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
            student_middle=self.student.interpret,
            teacher_middle=self.teacher.interpret,
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


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("task", ["regression", "binary", "classes"])
def test_label_distillation_equals_numpy(task, weight):
    lesson = Lesson(LabelDistillation(0.7, task, temperature=2.0), outputs=3)
    student, teacher = (trace[2] for trace in lesson.numpy_traces())
    values = {
        "regression": lambda: reference.l2(student, teacher),
        "binary": lambda: reference.binary_kl(teacher, student, 2.0),
        "classes": lambda: reference.kl(teacher, student, 2.0),
    }[task]()
    expected = {"label_loss": 0.7 * reference.mean(values, weight)}
    assert_terms(lesson.terms(sample_weight=weight), expected)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("distance", ["l2", "cosine", "pearson"])
def test_feature_distillation_equals_numpy(distance, weight):
    lesson = Lesson(FeatureDistillation(0.7, **SIZES, distance=distance))
    messages = (
        reference.codec(encoder, np.concatenate(trace[:2], -1))
        for encoder, trace in zip(
            (lesson.method.student_encoder, lesson.method.teacher_encoder),
            lesson.numpy_traces(),
            strict=True,
        )
    )
    values = reference.DISTANCES[distance](*messages)
    expected = {"feature_loss": 0.7 * reference.mean(values, weight)}
    assert_terms(lesson.terms(sample_weight=weight), expected)


@pytest.mark.parametrize("weight", [None, SAMPLE_WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("distance", ["l2", "cosine", "pearson"])
def test_fitnet_equals_numpy(distance, weight):
    lesson = Lesson(FitNet(0.7, hidden_dim=9, distance=distance))
    student, teacher = lesson.numpy_traces()
    decoded = reference.codec(lesson.method.student_decoder, np.concatenate(teacher[:2], -1))
    states = decoded[:, :5], decoded[:, 5:]
    expected = {"hint_loss": 0.7 * reference.between(distance, student[:2], states, weight)}
    assert_terms(lesson.terms(sample_weight=weight), expected)


def test_identity_compares_the_states_themselves():
    low, high = (np.random.default_rng(i).normal(size=(2, 6, 4)) for i in range(2))
    student, teacher = (Trace(low[i], high[i], None) for i in range(2))
    shapes = Trace((None, 4), (None, 4), (None, 1))
    found = {}
    for method in (FeatureDistillation(3.0, identity=True), FitNet(3.0, identity=True)):
        method.build(shapes, shapes)
        assert method.variables == []
        found |= method.compute_loss(student, teacher, student_middle=None, teacher_middle=None)
    # What keras.distillation.FeatureDistillation computes, at each of the two states.
    peer = sum(keras.losses.MeanSquaredError()(*pair) for pair in (low, high))
    np.testing.assert_allclose(found["hint_loss"], 3.0 * peer, rtol=1e-6)
    np.testing.assert_allclose(found["feature_loss"], 3.0 * peer / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", [FeatureDistillation, FitNet])
def test_identity_needs_equal_widths(kind):
    with pytest.raises(ValueError, match=r"Received: low \(None, 5\) and \(None, 7\).*Leave"):
        Lesson(kind(identity=True))


def test_hybrid_is_label_plus_feature_distillation():
    lesson = Lesson(Hybrid(0.7, 0.3, **SIZES))
    student, teacher = lesson.numpy_traces()
    encoders = lesson.method.methods[1]
    messages = (
        reference.codec(encoders.student_encoder, np.concatenate(student[:2], -1)),
        reference.codec(encoders.teacher_encoder, np.concatenate(teacher[:2], -1)),
    )
    for weight in (None, SAMPLE_WEIGHT):
        expected = {
            "label_loss": 0.7 * reference.mean(reference.l2(student[2], teacher[2]), weight),
            "feature_loss": 0.3 * reference.mean(reference.l2(*messages), weight),
        }
        assert_terms(lesson.terms(sample_weight=weight), expected)


def weight_of(term):
    """The weight of a term of TD: "interaction_loss_2" has the interaction's."""
    return WEIGHTS[f"{term.partition('_')[0]}_weight"]


def test_scratch_asks_for_nothing():
    lesson = Lesson(Scratch())
    assert lesson.terms() == {}
    assert lesson.method.teacher_fields == ()
    assert lesson.method.variables == []


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


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(lambda: LabelDistillation(), id="ld"),
        pytest.param(lambda: FeatureDistillation(**SIZES), id="fd"),
        pytest.param(lambda: FitNet(hidden_dim=9), id="fitnet"),
        pytest.param(lambda: Hybrid(**SIZES), id="hybrid"),
        pytest.param(lambda: TalkingModels(0, **SIZES), id="td-0"),
        pytest.param(lambda: TalkingModels(2, **SIZES), id="td-2"),
        pytest.param(lambda: TalkingModels(2, **SIZES, interaction_weight=0), id="no-interaction"),
        pytest.param(lambda: TalkingModels(2, **SIZES, message_weight=0), id="no-message"),
        pytest.param(lambda: TalkingModels(2, **SIZES, state_weight=0), id="no-state"),
        pytest.param(
            lambda: TalkingModels(1, **SIZES, message_weight=0, state_weight=0),
            id="interaction-only",
        ),
        pytest.param(
            lambda: TalkingModels(1, **SIZES, interaction_weight=0, message_weight=0),
            id="state-only",
        ),
        pytest.param(
            lambda: TalkingModels(1, **SIZES, interaction_weight=0, state_weight=0),
            id="message-only",
        ),
    ],
)
def test_every_weight_of_a_method_gets_a_gradient(method):
    lesson = Lesson(method())
    # The student's lower layer is what every method is to teach.
    student = lesson.models[0].get_layer("low")
    variables = [*student.trainable_variables, *lesson.method.trainable_variables]
    _, found = value_and_gradients(lambda: sum(lesson.terms().values()), variables)
    for variable, gradient in zip(variables, found, strict=True):
        assert norm([gradient]) > 1e-6, variable.path


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
    for middle in (teacher_middle, lambda low: ops.stop_gradient(teacher_middle(low))):
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
    noise = np.array(method._add_noise(ops.zeros((2000, 7))))
    assert abs(noise.std() - 0.3) < 0.01
    assert abs(noise.mean()) < 0.01


@pytest.mark.parametrize("name", ["fd", "fitnet", "hybrid", "td"])
def test_dropout_acts_in_training_only(name):
    arguments = {"hidden_dim": 64, "dropout": 0.5}
    lesson = Lesson(methods.get(name, **arguments))
    assert_terms(lesson.terms(), {n: float(v) for n, v in lesson.terms().items()})
    first, second = (sum(lesson.terms(training=True).values()) for _ in range(2))
    assert abs(float(first - second)) > 1e-4


def test_methods_have_short_names():
    assert list(methods.METHODS) == ["scratch", "ld", "fd", "fitnet", "hybrid", "td"]
    assert isinstance(methods.get("td", rounds=3), TalkingModels)
    assert methods.get("td", rounds=3).rounds == 3


def test_unknown_method_lists_the_valid_ones():
    message = "scratch, ld, fd, fitnet, hybrid, td, or .module:Class. .* Received: .kd."
    with pytest.raises(ValueError, match=message):
        methods.get("kd")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelDistillation(0), "`weight` must be positive. Received: 0"),
        (lambda: FeatureDistillation(-1.0), "`weight` must be positive. Received: -1.0"),
        (lambda: FitNet(float("nan")), "`weight` must be positive. Received: nan"),
        (lambda: Hybrid(0.0, 1.0), "must be positive. Received: 0.0"),
        (lambda: Hybrid(1.0, 0.0), "must be positive. Received: 0.0"),
        (lambda: LabelDistillation(temperature=0), "`temperature` must be positive. Received: 0"),
        (lambda: LabelDistillation(task="clicks"), "regression, binary, classes. Received: 'cli"),
        (lambda: FitNet(distance="l1"), "one of cosine, l2, pearson. Received: 'l1'"),
        (lambda: TalkingModels(distance="l1"), "one of cosine, l2, pearson. Received: 'l1'"),
        (lambda: TalkingModels(-1), "`rounds` must be an integer of at least 0. Received: -1"),
        (lambda: TalkingModels(1.5), "`rounds` must be an integer of at least 0. Received: 1.5"),
        (lambda: TalkingModels(target="last"), "'latest' or 'original'. Received: 'last'"),
        (lambda: TalkingModels(noise=-0.1), "`noise` must be at least 0. Received: -0.1"),
        (lambda: TalkingModels(state_weight=-1), "`state_weight` must be at least 0. Received: -1"),
        (lambda: TalkingModels(message_weight=float("nan")), "at least 0. Received: nan"),
        (lambda: TalkingModels(label_weight=-1), "`label_weight` must be at least 0. Received: -1"),
        (lambda: TalkingModels(task="clicks"), "regression, binary, classes. Received: 'cli"),
        (lambda: TalkingModels(temperature=0), "`temperature` must be positive. Received: 0"),
        (
            lambda: TalkingModels(0, message_weight=0, state_weight=0),
            r"at least one loss of its own. Received: rounds=0.*Use Scratch\(\)",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", methods.METHODS)
def test_config_holds_every_argument(name):
    method = methods.METHODS[name](**UNUSUAL[name], name="mine")
    config = method.get_config()
    assert config.items() >= {**UNUSUAL[name], "name": "mine"}.items()
    again = type(method).from_config(config)
    assert again.get_config() == config
    assert again.terms == method.terms
    defaults = methods.get(name).get_config()
    assert all(config[argument] != defaults[argument] for argument in UNUSUAL[name])


@pytest.mark.parametrize("name", methods.METHODS)
def test_built_method_is_serialised_with_its_shapes(name):
    arguments = {**UNUSUAL[name], **({"target": "latest", "noise": 0.0} if name == "td" else {})}
    lesson = Lesson(methods.get(name, **arguments), outputs=3)
    data = keras.saving.serialize_keras_object(lesson.method)
    again = keras.saving.deserialize_keras_object(data)
    assert type(again) is type(lesson.method)
    assert again.built
    assert [v.shape for v in again.variables] == [v.shape for v in lesson.method.variables]
    for mine, its in zip(again.variables, lesson.method.variables, strict=True):
        mine.assign(its)
    expected = {term: float(value) for term, value in lesson.terms().items()}
    lesson.method = again
    assert_terms(lesson.terms(), expected)


@pytest.mark.parametrize("name", ["fd", "fitnet", "hybrid", "td"])
def test_the_precision_of_a_method_is_that_of_its_codecs(name):
    lesson = Lesson(methods.get(name, hidden_dim=9, dtype="mixed_bfloat16"))
    layers = [layer for layer in lesson.method._flatten_layers() if layer.name == "output"]
    assert layers
    assert {layer.compute_dtype for layer in layers} == {"bfloat16"}
    terms = lesson.terms()
    assert {keras.backend.standardize_dtype(v.dtype) for v in terms.values()} == {"float32"}
