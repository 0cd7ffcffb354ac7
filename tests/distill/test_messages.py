import keras
import numpy as np
import pytest

import numpy_reference as reference
from small_models import randomise
from tdrec.distill.messages import MessageDecoder, MessageEncoder

RNG = np.random.default_rng(0)
LOW = RNG.normal(size=(6, 5)).astype("float32")
HIGH = (10 * RNG.normal(size=(6, 3)) + 4).astype("float32")
MESSAGE = RNG.normal(size=(6, 4)).astype("float32")


def numbers(layer):
    return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


@pytest.fixture(params=[False, True], ids=["dense-relu-dense", "linear"])
def linear(request):
    return request.param


def test_encoder_equals_numpy(linear):
    encoder = MessageEncoder(4, 8, linear=linear)
    encoder(LOW, HIGH)
    randomise(encoder, 1)
    result = encoder(LOW, HIGH)
    assert result.shape == (6, 4)
    expected = reference.codec(encoder, np.concatenate([LOW, HIGH], 1).astype("float64"))
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def test_decoder_equals_numpy_and_cuts_low_from_high(linear):
    decoder = MessageDecoder(5, 3, 8, linear=linear)
    decoder(MESSAGE)
    randomise(decoder, 2)
    low, high = decoder(MESSAGE)
    expected = reference.codec(decoder, MESSAGE.astype("float64"))
    np.testing.assert_allclose(low, expected[:, :5], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(high, expected[:, 5:], rtol=1e-5, atol=1e-5)


def test_states_of_rank_3_give_a_message_a_token(linear):
    encoder, decoder = MessageEncoder(4, 8, linear=linear), MessageDecoder(5, 3, 8, linear=linear)
    states = LOW.reshape(2, 3, 5), HIGH.reshape(2, 3, 3)
    decoder(encoder(*states))
    randomise(encoder, 1)
    randomise(decoder, 2)
    message = encoder(*states)
    assert message.shape == (2, 3, 4)
    expected = reference.codec(encoder, np.concatenate(states, 2).astype("float64"))
    np.testing.assert_allclose(message, expected, rtol=1e-5, atol=1e-5)
    low, high = decoder(message)
    assert (low.shape, high.shape) == ((2, 3, 5), (2, 3, 3))
    decoded = reference.codec(decoder, expected)
    np.testing.assert_allclose(low, decoded[..., :5], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(high, decoded[..., 5:], rtol=1e-5, atol=1e-5)


def test_defaults_are_those_of_the_paper_for_movielens():
    encoder, decoder = MessageEncoder(), MessageDecoder(5, 3)
    assert (encoder.message_dim, encoder.hidden_dim, decoder.hidden_dim) == (128, 256, 256)
    assert not encoder.linear
    assert not decoder.linear
    assert encoder.dropout == decoder.dropout == 0
    assert encoder(LOW, HIGH).shape == (6, 128)


def test_number_of_weights():
    encoder, decoder = MessageEncoder(4, 10), MessageDecoder(5, 3, 10)
    encoder.build((None, 5), (None, 3))
    decoder.build((None, 4))
    # Scale and offset of the norm, the hidden layer, the output layer.
    assert numbers(encoder) == 2 * 8 + (8 * 10 + 10) + (10 * 4 + 4)
    assert numbers(decoder) == 2 * 4 + (4 * 10 + 10) + (10 * 8 + 8)
    encoder, decoder = MessageEncoder(4, linear=True), MessageDecoder(5, 3, linear=True)
    encoder.build((None, 5), (None, 3))
    decoder.build((None, 4))
    assert numbers(encoder) == 8 * 4 + 4
    assert numbers(decoder) == 4 * 8 + 8


def test_dropout_acts_in_training_only():
    encoder, decoder = MessageEncoder(4, 64, dropout=0.5), MessageDecoder(5, 3, 64, dropout=0.5)
    for layer, arguments in ((encoder, (LOW, HIGH)), (decoder, (MESSAGE,))):
        first, second = np.array(layer(*arguments)[0]), np.array(layer(*arguments)[0])
        np.testing.assert_array_equal(first, second)
        trained = [np.array(layer(*arguments, training=True)[0]) for _ in range(2)]
        assert not np.allclose(trained[0], trained[1])
        assert not np.allclose(trained[0], first)


def test_dropout_comes_after_the_relu_layer():
    encoder = MessageEncoder(4, 8, dropout=0.5)
    names = [layer.name for layer in encoder.body.layers]
    assert names == ["norm", "hidden", "dropout", "output"]


def test_computed_shapes_are_the_real_ones(linear):
    encoder, decoder = MessageEncoder(4, 8, linear=linear), MessageDecoder(5, 3, 8, linear=linear)
    assert encoder.compute_output_shape((None, 7, 5), (None, 7, 3)) == (None, 7, 4)
    assert decoder.compute_output_shape((None, 7, 4)) == ((None, 7, 5), (None, 7, 3))


def test_config_holds_every_argument():
    arguments = {"hidden_dim": 9, "dropout": 0.25, "linear": True, "name": "m"}
    for layer in (
        MessageEncoder(message_dim=6, **arguments),
        MessageDecoder(low_dim=6, high_dim=2, **arguments),
    ):
        config = layer.get_config()
        assert type(layer).from_config(config).get_config() == config
        assert config.items() >= arguments.items()


def test_model_with_codecs_is_saved_and_loaded(tmp_path, linear):
    low, high = keras.Input((5,)), keras.Input((3,))
    message = MessageEncoder(4, 8, linear=linear, name="encoder")(low, high)
    states = MessageDecoder(5, 3, 8, linear=linear, name="decoder")(message)
    model = keras.Model([low, high], [message, *states])
    for i, name in enumerate(("encoder", "decoder")):
        randomise(model.get_layer(name), i)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for before, after in zip(model([LOW, HIGH]), loaded([LOW, HIGH]), strict=True):
        np.testing.assert_array_equal(before, after)


def test_mixed_precision_computes_in_half_and_keeps_float32_weights():
    encoder = MessageEncoder(4, 8, dtype="mixed_float16")
    decoder = MessageDecoder(5, 3, 8, dtype="mixed_float16")
    message = encoder(LOW, HIGH)
    low, high = decoder(message)
    for tensor in (message, low, high):
        assert keras.backend.standardize_dtype(tensor.dtype) == "float16"
        assert np.isfinite(np.array(tensor)).all()
    assert {v.dtype for v in encoder.variables + decoder.variables} == {"float32"}
    expected = reference.codec(encoder, np.concatenate([LOW, HIGH], 1).astype("float64"))
    np.testing.assert_allclose(np.array(message), expected, atol=0.02)


def test_the_global_policy_holds_for_what_is_inside():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        encoder = MessageEncoder(4, 8)
        message = encoder(LOW, HIGH)
    finally:
        keras.config.set_dtype_policy("float32")
    assert keras.backend.standardize_dtype(message.dtype) == "bfloat16"


@pytest.mark.parametrize(
    ("low", "high"),
    [((None, 7, 5), (None, 3)), ((None, 7, 5), (None, 6, 3)), ((4, 5), (5, 3))],
)
def test_states_that_cannot_be_joined_are_refused(low, high):
    with pytest.raises(ValueError, match="agree on every axis but the last") as error:
        MessageEncoder(4).build(low, high)
    assert f"Received: shapes {low} and {high}" in str(error.value)
    assert "Cut the model where" in str(error.value)


@pytest.mark.parametrize("size", [0, -1, 2.5, None, "4"])
def test_sizes_must_be_positive_integers(size):
    for make in (
        lambda: MessageEncoder(size),
        lambda: MessageEncoder(4, size),
        lambda: MessageDecoder(5, 3, size),
    ):
        with pytest.raises(ValueError, match="positive integer. Received: "):
            make()


@pytest.mark.parametrize("sizes", [(0, 3), (5, 0), (5, -1), (-1, 5), (2.5, 3), ("5", "3")])
def test_each_width_of_a_decoded_state_must_be_positive(sizes):
    with pytest.raises(ValueError, match="positive integer. Received: "):
        MessageDecoder(*sizes)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 2, float("nan")])
def test_dropout_must_be_a_rate(rate):
    for make in (
        lambda: MessageEncoder(4, dropout=rate),
        lambda: MessageDecoder(5, 3, dropout=rate),
    ):
        with pytest.raises(ValueError, match=r"`dropout` must lie in \[0, 1\). Received: "):
            make()
