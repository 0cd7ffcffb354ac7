"""Masks are honoured by each term, as Keras's own losses honour them, and carried past cuts."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tdrec.distill import losses
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.masks import mask_of, masked, unmasked
from tdrec.distill.messages import MessageDecoder, MessageEncoder
from tdrec.distill.methods import FeatureDistillation, FitNet, LabelDistillation, TalkingModels

MASK = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)
IDS = np.array([[3, 4, 0, 0], [5, 0, 0, 0], [1, 2, 3, 0]], "int32")
SIZES = {"message_dim": 6, "hidden_dim": 9}


def pair(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(3, 4, 5)).astype("float32") for _ in "ab"]


@pytest.mark.parametrize("distance", [losses.l2, losses.cosine, losses.pearson, losses.kl])
def test_the_mean_is_one_over_the_tokens_that_are_there(distance):
    a, b = map(ops.convert_to_tensor, pair())
    values = ops.convert_to_numpy(distance(a, b))
    masked(b, ops.convert_to_tensor(MASK))
    expected = values[MASK].mean()
    np.testing.assert_allclose(losses.mean(distance(a, b)), expected, rtol=1e-5)
    weights = np.array([1.0, 2.0, 0.5], "float32")
    weighed = (values * weights[:, None])[MASK].sum() / MASK.sum()
    np.testing.assert_allclose(losses.mean(distance(a, b), weights), weighed, rtol=1e-5)


def test_it_is_what_keras_computes():
    a, b = map(ops.convert_to_tensor, pair())
    masked(b, ops.convert_to_tensor(MASK))
    expected = keras.losses.MeanSquaredError()(a, b)
    np.testing.assert_allclose(losses.mean(losses.l2(a, b)), expected, rtol=1e-6)


def test_what_is_not_there_may_be_anything():
    a, b = pair()
    expected = losses.mean(masked(losses.l2(a, b), ops.convert_to_tensor(MASK)))
    a[~MASK] = np.nan
    found = losses.mean(masked(losses.l2(a, b), ops.convert_to_tensor(MASK)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert float(losses.mean(masked(losses.l2(b, b), ops.zeros((3, 4), "bool")))) == 0.0


def test_encoder_and_decoder_hand_a_mask_on():
    low, high = map(ops.convert_to_tensor, pair())
    masked(low, ops.convert_to_tensor(MASK))
    message = MessageEncoder(**SIZES)(low, high)
    for tensor in (message, *MessageDecoder(5, 5, 9)(message)):
        np.testing.assert_array_equal(mask_of(tensor), MASK)
    with unmasked(message):
        assert mask_of(message) is None
    assert mask_of(message) is not None


def sequence_model(name, units, pooled=False):
    """Ids (batch, 4) with 0 for nothing -> "low" -> a GRU, which asks for the mask -> "high"."""
    inputs = keras.Input((4,), dtype="int32")
    x = layers.Embedding(6, 3, mask_zero=True)(inputs)
    x = layers.Dense(units, "tanh", name="low")(layers.GRU(units, return_sequences=True)(x))
    x = layers.Dense(units, "tanh", name="high")(layers.GRU(units, return_sequences=True)(x))
    x = layers.GRU(2)(x) if pooled else x
    return keras.Model(inputs, layers.Dense(1)(x), name=name)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_model_with_masks_can_be_cut(pooled):
    model = sequence_model("model", 5, pooled)
    split = split_model(model, "low", "high")
    trace, interpret = split.run(IDS)
    np.testing.assert_array_equal(trace.prediction, model(IDS))
    np.testing.assert_array_equal(mask_of(trace.low), IDS != 0)
    np.testing.assert_array_equal(mask_of(trace.high), IDS != 0)
    assert (mask_of(trace.prediction) is None) == pooled
    for middle in (interpret, split.interpreter(IDS)):
        np.testing.assert_array_equal(middle(trace.low), trace.high)
    with pytest.raises(ValueError, match=r"a state alone. Interpret with what `split.run\(x\)`"):
        split.interpret(trace.low)


METHODS = {
    "ld": LabelDistillation,
    "fd": lambda: FeatureDistillation(**SIZES),
    "fitnet": lambda: FitNet(hidden_dim=9),
    "td": lambda: TalkingModels(2, **SIZES),
}


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_padding_has_no_say_in_any_term(name, stored):
    def terms(ids):
        keras.utils.set_random_seed(0)
        splits = [
            split_model(sequence_model(*sizes), "low", "high")
            for sizes in (("student", 4), ("teacher", 5))
        ]
        distiller = Distiller(*splits, METHODS[name]())
        distiller.compile("sgd", loss="mse")
        data = (ids, np.ones((*ids.shape, 1), "float32"))
        if stored:
            data = next(iter(distiller.with_teacher_targets(data)))
        _, task_loss, found = distiller.compute_losses(data)
        return {"task": float(task_loss), **{key: float(v) for key, v in found.items()}}

    # A row of nothing more: each mean stays one over the tokens that are there.
    short = terms(IDS[:2])
    with_empty_row = terms(np.concatenate([IDS[:2], np.zeros((2, 4), "int32")]))
    for term, value in short.items():
        np.testing.assert_allclose(with_empty_row[term], value, rtol=2e-5, err_msg=term)
