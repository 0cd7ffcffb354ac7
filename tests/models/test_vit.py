import sys

import keras
import numpy as np
import pytest

from small_vit import CLASSES, IMAGES, SIZES
from tdrec.distill.cut import split_model
from tdrec.distill.distiller import Distiller
from tdrec.distill.methods import FeatureDistillation, LabelDistillation, TalkingModels
from tdrec.models.vit import ViT, block_name, first_blocks

pytest.importorskip("keras_hub", reason="ViT needs keras-hub: pip install 'tdrec[images]'")


def small(num_classes=CLASSES, **changes):
    keras.utils.set_random_seed(0)
    return ViT(num_classes, **{**SIZES, **changes})


def with_head(model):
    """The model with a head that says something, where a new one says 0."""
    model.head.set_weights(
        [np.random.default_rng(0).normal(size=w.shape) for w in model.head.weights]
    )
    return model


def test_it_is_vit_b_32_by_default():
    model = ViT(21_843)
    assert model.output_shape == (None, 21_843)
    # Of the published ViT-B/32: 87.5 million without its head (embedding, blocks, last norm).
    blocks = 12 * (4 * 768 * 769 + 4 * 768 + 768 * 3072 + 3072 + 3072 * 768 + 768)
    embedding = 32 * 32 * 3 * 768 + 768 + 768 + 50 * 768
    assert model.count_params() == blocks + embedding + 2 * 768 + 769 * 21_843


def test_each_block_is_a_layer_to_cut_at():
    model = with_head(small())
    split = split_model(model, low=block_name(1), high=block_name(3))
    trace = split(IMAGES)
    assert split.shapes.low == split.shapes.high == (None, 10, 8)
    np.testing.assert_array_equal(trace.prediction, model(IMAGES))
    x = model.embedding(IMAGES)
    for number, block in enumerate(model.blocks, start=1):
        x = block(x)
        if number == 1:
            np.testing.assert_array_equal(trace.low, x)
    np.testing.assert_array_equal(trace.high, x)
    np.testing.assert_array_equal(split.interpret(trace.low), trace.high)


def test_a_student_of_the_first_blocks_has_the_teachers_weights():
    teacher = with_head(small())
    student = first_blocks(teacher, 2)
    assert len(student.blocks) == 2
    shared = ["embedding", "norm", "head"]
    pairs = [(getattr(student, name), getattr(teacher, name)) for name in shared]
    pairs += list(zip(student.blocks, teacher.blocks, strict=False))
    for mine, its in pairs:
        assert mine is not its
        for a, b in zip(mine.get_weights(), its.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    other = first_blocks(teacher, 1, num_classes=2)
    np.testing.assert_array_equal(other(IMAGES), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="between 1 and the teacher's 3. Received: 4"):
        first_blocks(teacher, 4)


def test_save_and_reload(tmp_path):
    model = with_head(small(dropout=0.1, epsilon=1e-5, approximate_gelu=True))
    model.save(tmp_path / "vit.keras")
    again = keras.models.load_model(tmp_path / "vit.keras")
    assert again.get_config() == model.get_config()
    np.testing.assert_array_equal(again(IMAGES), model(IMAGES))
    assert np.abs(np.array(again(IMAGES, training=True)) - np.array(model(IMAGES))).max() > 1e-3


def test_mixed_precision_has_float32_logits(tmp_path):
    model = with_head(small(dtype="mixed_bfloat16"))
    assert model.blocks[0](model.embedding(IMAGES)).dtype == "bfloat16"
    assert model(IMAGES).dtype == "float32"
    model.save(tmp_path / "vit.keras")
    again = keras.models.load_model(tmp_path / "vit.keras")
    assert again.blocks[0].dtype_policy.name == "mixed_bfloat16"
    full = with_head(small())
    full.set_weights(model.get_weights())
    np.testing.assert_allclose(model(IMAGES), full(IMAGES), atol=0.1)


@pytest.mark.parametrize(
    "method",
    [
        TalkingModels(rounds=2, message_dim=6, hidden_dim=7),
        FeatureDistillation(message_dim=6, hidden_dim=7),
        LabelDistillation(task="classes"),
    ],
    ids=lambda method: type(method).__name__,
)
def test_methods_work_on_the_states_of_all_tokens(method):
    teacher = with_head(small())
    before = teacher.get_weights()
    student = first_blocks(teacher, 2)
    distiller = Distiller(
        split_model(student, low=block_name(1), high=block_name(2)),
        split_model(teacher, low=block_name(1), high=block_name(3)),
        method,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(
        keras.optimizers.SGD(1e-3),
        loss=loss,
        metrics=["accuracy"],
        run_eagerly=not isinstance(method, TalkingModels),  # tracing one, the largest, is enough
    )
    start = [w.copy() for w in student.get_weights()]
    history = distiller.fit(IMAGES, np.array([0, 3]), epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert all(np.abs(a - b).max() > 0 for a, b in zip(start, student.get_weights(), strict=True))
    for a, b in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"image_size": 13}, "must be a multiple of `patch_size`.*Received: 13 and 4"),
        ({"num_heads": 3}, "must be a multiple of `num_heads`.*Received: 8 and 3"),
        ({"num_layers": 0}, "must be positive. Received: 5 and 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        small(**changes)


def test_without_keras_hub_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'tdrec\[images\]'"):
        small()
