"""Tests of the causal transformer: what it may look at, and by what it scores."""

import keras
import numpy as np
import pytest

import tdrec
from tdrec.distill.masks import mask_of
from tdrec.models.sequence_transformer import (
    HIGH,
    LOW,
    TOKENS,
    sequence_transformer,
    without_blocks,
)

SIZE, LENGTH, SCORED = 9, 5, [2, 3, 7]
X = np.array([[8, 1, 2, 3, 7], [8, 4, 5, 0, 0]], "int32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    sizes = {"length": LENGTH, "dim": 4, "blocks": 3, "heads": 2, "dropout": 0.5}
    return sequence_transformer(SIZE, SCORED, **sizes)


@pytest.fixture(scope="module")
def trace(model):
    return tdrec.split_model(model, low=LOW, high=HIGH)(X)


def test_a_later_token_changes_no_earlier_output(model):
    before = model(X).numpy()
    for place in range(LENGTH):
        x = X.copy()
        x[0, place] = 6
        after = model(x).numpy()
        changed = np.abs(after - before)[0].max(axis=-1) > 0
        assert not changed[:place].any() and changed[place:].all()
        np.testing.assert_array_equal(after[1], before[1])


def test_padding_is_not_looked_at(model):
    x = X.copy()
    x[1, 3:] = 6
    np.testing.assert_allclose(model(x)[1, :3], model(X)[1, :3], rtol=1e-5)


def test_tokens_are_embedded_and_scored_by_the_same_vectors(model, trace):
    weights = model.get_layer(TOKENS)
    tokens, places, bias = (np.array(w) for w in (weights.tokens, weights.places, weights.bias))
    np.testing.assert_allclose(trace.low, tokens[X] + places, rtol=1e-6)
    logits = np.array(trace.high) @ tokens[SCORED].T + bias
    np.testing.assert_allclose(trace.prediction, logits, rtol=1e-5, atol=1e-6)
    there = X > 0
    np.testing.assert_allclose(model(X).numpy()[there], logits[there], rtol=1e-5, atol=1e-6)


def test_every_state_says_which_tokens_are_there(trace):
    for state in trace:
        np.testing.assert_array_equal(mask_of(state), X > 0)


def test_without_blocks_the_latest_token_alone_counts(model):
    weights = model.get_layer(TOKENS)
    x = np.array(weights.tokens)[X] + np.array(weights.places)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    expected = x @ np.array(weights.tokens)[SCORED].T + np.array(weights.bias)
    before = model(X).numpy()
    np.testing.assert_allclose(without_blocks(model)(X), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model(X), before)  # which it leaves as it is


def test_heads_divide_the_width():
    with pytest.raises(ValueError, match=r"multiple of `heads`\. Received: 5 and 2"):
        sequence_transformer(SIZE, SCORED, dim=5)
