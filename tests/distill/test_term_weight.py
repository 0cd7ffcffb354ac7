import keras
import numpy as np
import pytest

from own_method import RoundedLabels
from small_models import inputs_and_ratings, student_and_teacher
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FeatureDistillation, Hybrid, LabelDistillation, TalkingModels
from tdrec.distill.term_weight import TermWeight

X, Y = inputs_and_ratings()


def distiller_of(method):
    keras.utils.set_random_seed(1)
    distiller = Distiller(*student_and_teacher(), method)
    distiller.compile(keras.optimizers.SGD(0.0), loss="mse")
    return distiller


def terms_of(distiller):
    """What a compiled step of no length logs."""
    logs = distiller.fit(X, Y, batch_size=len(X), verbose=0).history
    return {name: logs[name][0] for name in distiller.method.terms}


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        (lambda: LabelDistillation(0.5), {"weight": 2}),
        (lambda: FeatureDistillation(hidden_dim=4), {"weight": 0.125}),
        (lambda: Hybrid(hidden_dim=4), {"label_weight": 3.0, "feature_weight": 0.25}),
        (lambda: TalkingModels(2, hidden_dim=4), {"interaction_weight": 0.5, "state_weight": 7.0}),
        (lambda: TalkingModels(1, hidden_dim=4, label_weight=0.5), {"label_weight": 4.0}),
        (lambda: RoundedLabels(2.0), {"weight": 1.0}),
    ],
    ids=["ld", "fd", "hybrid", "td", "td and labels", "own"],
)
def test_a_weight_that_is_set_acts_on_the_compiled_step(method, changes):
    shared = distiller_of(method())
    before = terms_of(shared)
    traced = shared.train_function
    for name, value in changes.items():
        setattr(shared.method, name, value)
        assert getattr(shared.method, name) == value
    config = shared.method.get_config()
    assert config.items() >= changes.items()
    after = terms_of(shared)
    assert shared.train_function is traced
    anew = terms_of(distiller_of(type(shared.method).from_config(config)))
    assert after == pytest.approx(anew, rel=1e-5)
    assert after != pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_what_is_set_is_checked(value):
    method = LabelDistillation(0.5)
    with pytest.raises(ValueError, match=f"`weight` must be positive. Received: {value}"):
        method.weight = value
    assert method.weight == 0.5


@pytest.mark.parametrize(("before", "after"), [(0, 0.5), (0.5, 0)])
def test_a_term_neither_comes_nor_goes(before, after):
    method = TalkingModels(1, state_weight=before)
    with pytest.raises(ValueError, match=f"from the start.*Received: {after}, after {before}. Mak"):
        method.state_weight = after
    assert method.state_weight == before


def test_a_class_declares_its_weights():
    assert list(LabelDistillation.declared_weights()) == ["weight"]
    assert set(Hybrid.declared_weights()) == {"label_weight", "feature_weight"}
    assert LabelDistillation.weight.terms == "*label_loss"


def test_a_weight_that_never_got_a_value_is_named():
    class Forgetful(LabelDistillation):
        pull_weight = TermWeight("label_*")
        weight = 1.0

    distiller = distiller_of(Forgetful())
    with pytest.raises(AttributeError, match="none for `pull_weight`, of label_loss. Set self.pul"):
        distiller.compute_losses((X, Y))


def test_checkpoints_hold_what_was_learned_and_not_the_weights(tmp_path):
    first = distiller_of(FeatureDistillation(3.0, hidden_dim=4))
    first.save_weights(tmp_path / "all.weights.h5")
    other = distiller_of(FeatureDistillation(0.5, hidden_dim=4))
    encoder = other.method.student_encoder.trainable_variables[0]
    encoder.assign(encoder * 2.0)
    other.load_weights(tmp_path / "all.weights.h5")
    assert other.method.weight == 0.5
    np.testing.assert_array_equal(
        encoder, first.method.student_encoder.trainable_variables[0].numpy()
    )
    (found,), (expected,) = (terms_of(d).values() for d in (other, first))
    assert found == pytest.approx(expected / 6, rel=1e-5)


def test_a_whole_distiller_keeps_a_weight_that_was_set(tmp_path):
    distiller = distiller_of(LabelDistillation(3.0))
    distiller.method.weight = 0.5
    distiller.save(tmp_path / "whole.keras")
    again = keras.models.load_model(tmp_path / "whole.keras")
    assert again.method.weight == 0.5
    again.teacher = distiller.teacher
    assert terms_of(again) == pytest.approx(terms_of(distiller), rel=1e-5)
