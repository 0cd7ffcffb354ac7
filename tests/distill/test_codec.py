import itertools

import pytest

from tdrec.distill.codec import Codec
from tdrec.distill.methods import FeatureDistillation, FitNet, Hybrid, TalkingModels
from tdrec.distill.model_split import Trace

SHAPES = Trace((None, 5), (None, 4), (None, 1))


@pytest.mark.parametrize("linear", [False, True])
def test_it_makes_an_encoder_and_a_decoder_that_fit(linear):
    codec = Codec(message_dim=3, hidden_dim=7, dropout=0.25, linear=linear)
    encoder = codec.encoder(SHAPES, name="ours")
    decoder = codec.decoder(SHAPES, (None, 3), name="theirs")
    norm = 0 if linear else 2
    widths = ([9, 3] if linear else [9, 7, 3]), ([3, 9] if linear else [3, 7, 9])
    for layer, sizes in zip((encoder, decoder), widths, strict=True):
        dense = sum(a * b + b for a, b in itertools.pairwise(sizes))
        assert layer.count_params() == norm * sizes[0] + dense
        assert layer.dropout == 0.25
    assert (encoder.name, decoder.name) == ("ours", "theirs")


@pytest.mark.parametrize("method", [FeatureDistillation, Hybrid, TalkingModels])
def test_methods_take_it_or_its_arguments(method):
    codec = Codec(message_dim=3, hidden_dim=7, dropout=0.25, linear=True)
    whole = method(codec=codec, name="m")
    apart = method(message_dim=3, hidden_dim=7, dropout=0.25, linear=True, name="m")
    assert whole.codec == apart.codec == codec
    assert whole.get_config() == apart.get_config()
    assert method.from_config(whole.get_config()).codec == codec
    with pytest.raises(ValueError, match="once. Received: codec=Codec.* and hidden_dim. Leave one"):
        method(codec=codec, hidden_dim=7)


def test_fitnet_has_no_message_whose_width_could_be_chosen():
    assert FitNet(hidden_dim=7).codec == Codec(hidden_dim=7)
    assert "message_dim" not in FitNet().get_config()
    with pytest.raises(ValueError, match="message_dim"):
        FitNet(message_dim=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"message_dim": 0}, "message_dim of a codec must be a positive integer. Received: 0"),
        ({"hidden_dim": 1.5}, "hidden_dim of a codec must be a positive integer. Received: 1.5"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\). Received: 1.0"),
    ],
)
def test_what_makes_no_layer_is_refused_at_once(arguments, message):
    for make in (Codec, TalkingModels, FeatureDistillation):
        with pytest.raises(ValueError, match=message):
            make(**arguments)
