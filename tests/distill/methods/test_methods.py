import keras
import pytest

from gradients import norm, value_and_gradients
from lessons import SIZES, WEIGHTS, Lesson, assert_terms
from tdrec.distill import methods
from tdrec.distill.methods import (
    FeatureDistillation,
    FitNet,
    Grading,
    Hybrid,
    LabelDistillation,
    TalkingModels,
)

# Every method, none of its arguments at its default.
UNUSUAL = {
    "scratch": {},
    "ld": {"weight": 0.5, "task": "classes", "temperature": 2.0, "trust": ("item", "user")},
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
        "trust": ("item", "user"),
    },
    "trusted_ld": {"weight": 0.5, "task": "binary", "trust": ("item", "user")},
    "grading": {
        "rounds": 2,
        "weight": 0.5,
        "ask_weight": 0.7,
        **SIZES,
        "dropout": 0.1,
        "linear": True,
        "task": "classes",
    },
}

KINDS = {"hybrid": {"task": "regression"}}  # which the loss tells, where there is one


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(lambda: LabelDistillation(task="regression"), id="ld"),
        pytest.param(lambda: FeatureDistillation(**SIZES), id="fd"),
        pytest.param(lambda: FitNet(hidden_dim=9), id="fitnet"),
        pytest.param(lambda: Hybrid(task="regression", **SIZES), id="hybrid"),
        pytest.param(lambda: Grading(2, **SIZES), id="grading"),
        pytest.param(lambda: Grading(ask_weight=1.0, **SIZES), id="asking"),
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


@pytest.mark.parametrize("name", ["fd", "fitnet", "hybrid", "td", "grading"])
def test_dropout_acts_in_training_only(name):
    arguments = {"hidden_dim": 64, "dropout": 0.5, **KINDS.get(name, {})}
    lesson = Lesson(methods.get(name, **arguments))
    assert_terms(lesson.terms(), {n: float(v) for n, v in lesson.terms().items()})
    first, second = (sum(lesson.terms(training=True).values()) for _ in range(2))
    assert abs(float(first - second)) > 1e-4


def test_methods_have_short_names():
    assert list(methods.METHODS) == [
        *("scratch", "ld", "fd", "fitnet", "hybrid", "td", "trusted_ld", "grading"),
    ]
    assert isinstance(methods.get("td", rounds=3), TalkingModels)
    assert methods.get("td", rounds=3).rounds == 3


def test_unknown_method_lists_the_valid_ones():
    message = "scratch, ld, .*, trusted_ld, grading, or .module:Class. .* Received: .kd."
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


@pytest.mark.parametrize("name", ["fd", "fitnet", "hybrid", "td", "grading"])
def test_the_precision_of_a_method_is_that_of_its_codecs(name):
    arguments = {"hidden_dim": 9, **KINDS.get(name, {})}
    lesson = Lesson(methods.get(name, dtype="mixed_bfloat16", **arguments))
    layers = [layer for layer in lesson.method._flatten_layers() if layer.name == "output"]
    assert layers
    assert {layer.compute_dtype for layer in layers} == {"bfloat16"}
    terms = lesson.terms()
    assert {keras.backend.standardize_dtype(v.dtype) for v in terms.values()} == {"float32"}
