"""Tests of what students of all tasks share: one distiller for many runs, as if each were new."""

import keras
import numpy as np
import pytest

from own_method import RoundedLabels
from small_models import inputs_and_ratings, student_and_teacher
from tdrec.distill import methods
from tdrec.distill.distiller import Distiller
from tdrec.distill.teacher_targets import batches
from tdrec.distill.trainers.training_step import PARTS
from tdrec.studies.task import DivergedError
from tdrec.tasks.distilled import (
    Compiled,
    check_training,
    fit,
    restart,
    set_weights,
    structure,
    variables_of,
)
from tdrec.tasks.ratings.teacher import adam

ROWS = inputs_and_ratings(rows=16)


def made(seed, method="scratch", **arguments):
    keras.utils.set_random_seed(seed)  # of what the method learns
    student, teacher = student_and_teacher(seed)
    method = methods.get(method, **arguments)
    distiller = Distiller(student, teacher if method.teacher_fields else None, method)
    distiller.compile(adam(0.05, 0.9), loss="mse")
    return distiller


def trained(distiller, steps=40, constant=10.0):
    keras.utils.set_random_seed(3)
    curve = fit(distiller, batches(ROWS, 8).repeat(), steps, constant)
    return curve, [np.array(v) for v in variables_of(distiller)]


def test_a_restarted_distiller_has_forgotten_every_run_before():
    compiled = Compiled()
    first, weights = trained(compiled.restarted("key", 0, lambda: made(0)))
    assert [point["step"] for point in first] == [20, 40]
    assert first[1]["loss"] < first[0]["loss"]
    distiller = compiled.restarted("key", 1, lambda: made(1))
    assert distiller is compiled.restarted("key", 0, lambda: None)
    distiller = compiled.restarted("key", 1, lambda: None)  # known by now
    other, _ = trained(distiller)
    assert other != first
    distiller.learning = PARTS[1:]  # as a ramp-up that was interrupted may leave it
    again, its_weights = trained(compiled.restarted("key", 0, lambda: None))
    assert distiller.learning == PARTS
    assert again == first
    for one, two in zip(weights, its_weights, strict=True):
        np.testing.assert_array_equal(one, two)
    # As one that was made for this run alone.
    alone, _ = trained(made(1))
    assert other == alone


def test_two_distillers_are_kept_and_the_oldest_goes():
    compiled, asked = Compiled(), []

    def make():
        asked.append(1)
        return made(0)

    first = compiled.restarted("a", 0, make)
    second = compiled.restarted("b", 0, make)
    assert compiled.restarted("a", 0, make) is first
    assert compiled.restarted("b", 0, make) is second and len(asked) == 2
    compiled.restarted("c", 0, make)
    assert compiled.restarted("b", 0, make) is second and len(asked) == 3
    assert compiled.restarted("a", 0, make) is not first and len(asked) == 4


def test_costs_are_counted_once():
    compiled = Compiled()
    distiller = compiled.restarted("key", 0, lambda: made(0, "fd", message_dim=3, hidden_dim=2))
    costs = compiled.costs("key", distiller, ROWS)
    # Layer norm, dense and dense of each side's joined states, of 9 and 13 numbers.
    assert costs["method_params"] == sum(2 * n + n * 2 + 2 + 2 * 3 + 3 for n in (9, 13))
    if keras.backend.backend() == "tensorflow":
        assert costs["train_multiply_adds"] > costs["method_params"]
    assert compiled.costs("key", None, None) is costs


def test_of_a_weight_only_whether_it_is_0_decides_what_is_compiled():
    arguments = {"rounds": 2, "target": "original", "state_weight": 30.0, "label_weight": 0.0}
    found = structure(methods.TalkingModels, arguments)
    assert found == arguments | {"state_weight": True, "label_weight": False}
    assert structure(methods.FitNet, {"weight": 10.0, "dropout": 0.1}) == {
        "weight": True,
        "dropout": 0.1,
    }
    assert structure(RoundedLabels, {"weight": 10.0}) == {"weight": True}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("fitnet", {"weight": 0.5}),
        ("own_method:RoundedLabels", {"weight": 0.5}),
        ("hybrid", {"label_weight": 0.3, "feature_weight": 3.0}),
        ("td", {"rounds": 0, "label_weight": 2.5, "state_weight": 0.0}),
    ],
)
def test_weights_that_are_set_afterwards_are_as_good_as_the_methods_own(method, arguments):
    compiled, found = Compiled(), []
    ones = structure(methods.find(method), arguments)
    for given in (ones, arguments):
        shared = compiled.restarted("key", 0, lambda: made(0, method, **ones))
        set_weights(shared.method, given)
        assert shared.method.get_config().items() >= given.items()
        found.append(trained(shared, steps=20))
    ((ones,), _), ((first,), weights) = found
    (other,), its_weights = trained(made(0, method, **arguments), steps=20)
    assert first.keys() == other.keys()
    for name in first:
        assert first[name] == pytest.approx(other[name], rel=1e-4), name
    assert first["loss"] != pytest.approx(ones["loss"], rel=1e-3)
    for one, two in zip(weights, its_weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


def test_what_is_compiled_starts_again_as_if_it_were_new():
    x, y = np.ones((8, 2), np.float32), np.arange(8, dtype=np.float32)[:, None]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(adam(0.1, 0.9), loss="mse")
    initial = [np.array(v) for v in model.variables]
    first = model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"]
    restart(model.variables, model.optimizer, initial)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    assert model.fit(x, y, epochs=3, verbose=0, shuffle=False).history["loss"] == first


@pytest.mark.parametrize(
    ("losses", "weight", "reason"),
    [
        ([3.0, np.nan, 1.0], 1.0, "^a loss was not finite$"),
        ([1.0, np.inf], 1.0, "^a loss was not finite$"),
        ([1.0], np.nan, "^a weight was not finite at the end of training$"),
        ([1.0], -np.inf, "a weight was not finite"),
        (
            [1.0, 20.1],
            1.0,
            "the last training loss, 20.1, was above 10 times that of the best .* 2",
        ),
    ],
)
def test_training_that_gave_nothing_of_use_is_refused(losses, weight, reason):
    variables = [np.ones((2, 2)), np.array([1.0, weight])]
    with pytest.raises(DivergedError, match=reason):
        check_training(losses, 2.0, variables)


def test_training_that_is_merely_bad_is_kept():
    check_training([1000.0, 19.9], 2.0, [np.ones(3), np.array([2**31], np.int64)])


def test_training_that_diverges_says_so():
    distiller = made(0)
    distiller.optimizer.learning_rate = 1e20
    with pytest.raises(DivergedError, match="not finite|10 times"):
        trained(distiller)
    bad = made(0)
    with pytest.raises(DivergedError, match="above 10 times that of the best constant, 1e-09"):
        trained(bad, steps=20, constant=1e-9)
