"""Trusted label distillation is label distillation with names to trust by."""

import keras
import pytest

from lessons import SAMPLE_WEIGHT, Lesson
from tdrec.distill.methods import Hybrid, LabelDistillation, TalkingModels, TrustedLabelDistillation


def test_its_loss_is_that_of_label_distillation():
    plain, trusted = (
        Lesson(of(0.7, task="regression")).terms(sample_weight=SAMPLE_WEIGHT)
        for of in (LabelDistillation, TrustedLabelDistillation)
    )
    assert float(plain["label_loss"]) == float(trusted["label_loss"]) > 0


@pytest.mark.parametrize(
    "method",
    [
        TrustedLabelDistillation(3.0, trust=("item", "user"), task="binary", from_logits=False),
        LabelDistillation(trust=("item", "user")),
        Hybrid(trust=("item", "user")),
        TalkingModels(label_weight=2.0, trust=("item", "user")),
    ],
    ids=lambda method: type(method).__name__,
)
def test_a_copy_has_all_arguments(method):
    stored = keras.saving.serialize_keras_object(method)
    copy = keras.saving.deserialize_keras_object(stored)
    assert copy.trust == ("item", "user")
    assert copy.get_config() == method.get_config()


def test_by_default_movies_and_users_are_trusted_by():
    assert TrustedLabelDistillation().trust == ("movie", "user")
