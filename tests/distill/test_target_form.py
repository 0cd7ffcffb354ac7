"""Precision and top-k of what is kept of a teacher."""

import numpy as np
import pytest

from small_distillers import talking
from tdrec.distill.methods import LabelDistillation, Scratch
from tdrec.distill.target_form import TargetForm

LOGITS = np.random.default_rng(0).normal(0, 3, size=(5, 7)).astype("float32")


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def kept(form, outputs):
    packed = form.pack({"prediction": outputs})
    made = form.unpack(packed, {"prediction": outputs.shape[-1]})
    return packed, made["prediction"].numpy()


@pytest.mark.parametrize("shape", [(5, 7), (5, 2, 7)])
def test_kept_logits_are_exact_and_the_rest_share_their_probability(shape):
    logits = np.random.default_rng(1).normal(0, 3, shape).astype("float32")
    packed, made = kept(TargetForm(top_k=3), logits)
    assert (
        packed["prediction.values"].shape == packed["prediction.indices"].shape == (*shape[:-1], 3)
    )
    largest = logits >= np.sort(logits, -1)[..., -3:-2]
    np.testing.assert_array_equal(made[largest], logits[largest])
    exact, probabilities = softmax(logits), softmax(made)
    np.testing.assert_allclose(probabilities[largest], exact[largest], rtol=1e-5)
    others = np.where(largest, 0, exact).sum(-1, keepdims=True) / (shape[-1] - 3)
    expected = np.where(largest, exact, others)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


def test_probabilities_stay_probabilities():
    exact = softmax(LOGITS)
    _, made = kept(TargetForm(top_k=2), exact)
    np.testing.assert_allclose(made.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(made.max(-1), exact.max(-1))


def test_large_logits_do_not_overflow():
    _, made = kept(TargetForm(top_k=2), 1000 * LOGITS)
    assert np.isfinite(made).all()


def test_half_precision_is_half_the_size_and_close():
    form = TargetForm("float16")
    packed, made = kept(form, LOGITS)
    assert packed["prediction"].nbytes == LOGITS.nbytes // 2
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, LOGITS, rtol=1e-3)
    both, _ = kept(TargetForm("float16", top_k=2), LOGITS)
    assert both["prediction.values"].dtype == np.float16
    assert both["prediction.indices"].dtype == np.int32
    with pytest.raises(ValueError, match="up to 65504. Received: 70000 in the teacher's low"):
        form.pack({"low": np.array([[1.0, -70000]], "float32")})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float64"}, "`dtype` must be one of .* Received: 'float64'"),
        ({"top_k": 0}, "`top_k` must be at least 1. Received: 0"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        TargetForm(**arguments)


@pytest.mark.parametrize("outputs", [LOGITS[:, :3], LOGITS[:, 0]])
def test_fewer_classes_than_are_kept(outputs):
    with pytest.raises(ValueError, match="less than the number of classes. Received: top_k=3"):
        TargetForm(top_k=3).pack({"prediction": outputs})


@pytest.mark.parametrize(
    ("method", "received"),
    [
        (LabelDistillation(task="regression"), "LabelDistillation, task='regression'"),
        (LabelDistillation(task="binary"), "task='binary'"),
        (talking(), r"TalkingModels, which reads \('low', 'high'\)"),
        (Scratch(), r"Scratch, which reads \(\)"),
    ],
)
def test_top_k_is_for_logits_of_classes(method, received):
    TargetForm("float16").check_method(method)
    with pytest.raises(ValueError, match=f"keeps logits of classes.* {received}"):
        TargetForm(top_k=2).check_method(method)


def test_top_k_for_classes():
    TargetForm(top_k=2).check_method(LabelDistillation(task="classes"))
