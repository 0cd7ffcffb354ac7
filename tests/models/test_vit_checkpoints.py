import json
import re

import numpy as np
import pytest

from small_vit import CLASSES, IMAGES, SIZES, hidden_states, npz_weights, write_folder
from tdrec.models.vit_checkpoints import CheckpointError, load_vit

pytest.importorskip("keras_hub", reason="ViT needs keras-hub: pip install 'tdrec[images]'")


def states_of(model, images):
    states = [model.embedding(images)]
    for block in model.blocks:
        states.append(block(states[-1]))
    return states


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "ViT-small.npz"
    np.savez(path, **npz_weights())
    return path


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "vit-small", npz_weights())


@pytest.mark.parametrize(
    ("form", "approximate"), [("npz", True), ("folder", True), ("folder", False)]
)
def test_hidden_states_and_logits_equal_numpy(form, approximate, npz, tmp_path):
    act = "gelu_new" if approximate else "gelu"
    path = npz
    if form == "folder":
        path = write_folder(tmp_path / "hf", npz_weights(), hidden_act=act, layer_norm_eps=1e-3)
    model = load_vit(path, num_classes=None if form == "npz" else CLASSES)
    epsilon = 1e-6 if form == "npz" else 1e-3
    expected, logits = hidden_states(npz_weights(), IMAGES, epsilon, approximate)
    for mine, its in zip(states_of(model, IMAGES), expected, strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-4, rtol=1e-4)
    if form == "npz":
        np.testing.assert_allclose(model(IMAGES), logits, atol=1e-4, rtol=1e-4)
    else:  # a bare model has no head: a new one starts at zero
        np.testing.assert_array_equal(model(IMAGES), np.zeros((2, CLASSES)))


@pytest.mark.parametrize("name", ["ViTModel", "ViTForImageClassification"])
@pytest.mark.parametrize("act", ["gelu", "gelu_pytorch_tanh"])
def test_hidden_states_equal_those_of_transformers(name, act, tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'tdrec[parity]'")
    transformers = pytest.importorskip("transformers", reason="pip install 'tdrec[parity]'")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=64,
        patch_size=16,
        num_labels=7,
        hidden_act=act,
    )
    theirs = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        theirs.save_pretrained(tmp_path)
        images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
        outputs = theirs(torch.tensor(images.transpose(0, 3, 1, 2)), output_hidden_states=True)
    classifier = name == "ViTForImageClassification"
    model = load_vit(tmp_path, num_classes=None if classifier else 3)
    for mine, its in zip(states_of(model, images), outputs.hidden_states, strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-4)
    if classifier:
        np.testing.assert_allclose(model(images), outputs.logits, atol=1e-4)


@pytest.mark.parametrize("size", [8, 20])
def test_position_embeddings_are_resized_bilinearly(size, npz):
    model = load_vit(npz, image_size=size)
    assert model.input_shape == (None, size, size, 3)
    table = npz_weights()["Transformer/posembed_input/pos_embedding"][0]
    found = np.array(model.embedding.weights[-1])
    np.testing.assert_array_equal(found[0], table[0])
    after = size // SIZES["patch_size"]
    grid = table[1:].reshape(3, 3, -1)
    for i in range(after):
        for j in range(after):
            # Corners stay corners; between them, the mean of four neighbours by distance.
            y, x = (k * 2 / (after - 1) for k in (i, j))
            top, left = min(int(y), 1), min(int(x), 1)
            dy, dx = y - top, x - left
            expected = sum(
                grid[top + a, left + b] * (dy if a else 1 - dy) * (dx if b else 1 - dx)
                for a in (0, 1)
                for b in (0, 1)
            )
            np.testing.assert_allclose(found[1 + i * after + j], expected, atol=1e-5)
    same = load_vit(npz, image_size=12)
    np.testing.assert_array_equal(same.embedding.weights[-1], table)


@pytest.mark.parametrize("form", ["npz", "folder"])
@pytest.mark.parametrize("damage", ["cut short", "garbage"])
def test_a_damaged_file_is_refused_by_name(form, damage, npz, folder):
    path = npz if form == "npz" else folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "cut short" else b"no" * 500)
    with pytest.raises(CheckpointError, match=f"{path.name} is damaged: .*Download it again"):
        load_vit(npz if form == "npz" else folder, num_classes=2)


@pytest.mark.parametrize(
    "missing",
    ["cls", "Transformer/encoder_norm/bias", "Transformer/encoderblock_1/LayerNorm_2/bias"],
)
def test_a_missing_weight_is_named(missing, npz):
    weights = npz_weights()
    del weights[missing]
    np.savez(npz, **weights)
    with pytest.raises(CheckpointError, match=f"{npz.name} must have the weight '{missing}'"):
        load_vit(npz)


def test_a_weight_of_another_shape_is_named(npz, folder):
    weights = npz_weights()
    weights["Transformer/encoderblock_2/MlpBlock_3/Dense_1/bias"] = np.zeros(9, np.float32)
    np.savez(npz, **weights)
    with pytest.raises(CheckpointError, match=r"block 2 must have .*bias of shape \(8,\).*\(9,\)"):
        load_vit(npz)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 11}))
    with pytest.raises(CheckpointError, match=r"block 0 must have .*kernel of shape \(8, 11\)"):
        load_vit(folder, num_classes=2)


def test_other_architectures_are_refused(npz, tmp_path):
    np.savez(npz, **npz_weights(), **{"conv_root/kernel": np.zeros(3)})
    with pytest.raises(CheckpointError, match="must be of a plain ViT. Received: a hybrid"):
        load_vit(npz)
    np.savez(npz, kernel=np.zeros(3))
    with pytest.raises(CheckpointError, match="must have the weight 'embedding/kernel' of a ViT"):
        load_vit(npz)
    for changes, received in (
        ({"model_type": "deit"}, "'deit' with 'gelu_new'"),
        ({"hidden_act": "relu"}, "'vit' with 'relu'"),
    ):
        folder = write_folder(tmp_path / "other", npz_weights(), **changes)
        with pytest.raises(CheckpointError, match=f"must hold a ViT .*Received: {received}"):
            load_vit(folder, num_classes=2)


def test_a_head_after_another_layer_is_not_taken(npz):
    extra = {"pre_logits/kernel": np.zeros((8, 8)), "pre_logits/bias": np.zeros(8)}
    np.savez(npz, **npz_weights(), **extra)
    with pytest.raises(CheckpointError, match="Give `num_classes` for a new one"):
        load_vit(npz)
    assert load_vit(npz, num_classes=2).output_shape == (None, 2)


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path / "none"):
        with pytest.raises(FileNotFoundError):
            load_vit(path)


# Files as others write them


def drop(folder, *keys, **changes):
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in {**config, **changes}.items() if key not in keys}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


def test_lists_keys_that_are_missing_and_the_file_itself(folder):
    drop(
        folder, "model_type", "layer_norm_eps", "hidden_act", image_size=[12, 12], patch_size=[4, 4]
    )
    model = load_vit(folder / "model.safetensors", num_classes=2)
    states, _ = hidden_states(npz_weights(), IMAGES, epsilon=1e-12, approximate_gelu=False)
    for mine, its in zip(states_of(model, IMAGES), states, strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-4, rtol=1e-4)
    drop(folder, "intermediate_size")
    with pytest.raises(
        CheckpointError, match=r"shape \(8, 3072\).* no model_type, intermediate_size"
    ):
        load_vit(folder, num_classes=2)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"image_size": [12, 8]}, "image_size"),
        ({"image_size": 16}, "image_size"),  # whose positions would be 17
        ({"image_size": 13}, "image_size"),
        ({"num_attention_heads": 3}, "hidden_size"),
        ({"num_hidden_layers": 2}, "num_hidden_layers"),
        ({"num_channels": 1}, "num_channels"),
        ({"hidden_act": ["gelu"]}, "hidden_act"),
        ({"hidden_size": None}, "hidden_size"),
    ],
)
def test_a_key_that_does_not_fit_is_named(folder, changes, key):
    with pytest.raises(CheckpointError, match=f"config.json must .*{key}"):
        load_vit(drop(folder, **changes), num_classes=2)


def test_queries_keys_and_values_without_biases(folder):
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    gone = [n for n in weights if n.endswith("bias") and ".attention.attention." in n]
    assert len(gone) == 9
    save_file({n: w for n, w in weights.items() if n not in gone}, folder / "model.safetensors")
    model = load_vit(drop(folder, qkv_bias=False), num_classes=2)
    none = ("query/bias", "key/bias", "value/bias")
    zeroed = {n: 0 * w if n.endswith(none) else w for n, w in npz_weights().items()}
    for mine, its in zip(states_of(model, IMAGES), hidden_states(zeroed, IMAGES)[0], strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("form", ["npz", "folder"])
def test_a_weight_of_other_axes_or_that_is_not_finite_is_named(form, npz, folder):
    from safetensors.numpy import load_file, save_file

    file = npz if form == "npz" else folder / "model.safetensors"
    weights = dict(np.load(npz)) if form == "npz" else load_file(file)
    for name, values in weights.items():
        if name.startswith("head") or re.search(r"(block_|layer\.)[12]", name):
            continue
        for changed in (values[None], np.full_like(values, np.nan)):
            all_of_them = {**weights, name: changed}
            np.savez(npz, **all_of_them) if form == "npz" else save_file(all_of_them, file)
            with pytest.raises(CheckpointError, match=f"{file.name} must .*'{name}'"):
                load_vit(file, num_classes=2)


def test_positions_of_no_square(npz):
    weights = npz_weights()
    weights["Transformer/posembed_input/pos_embedding"] = np.zeros((1, 9, 8), np.float32)
    np.savez(npz, **weights)
    with pytest.raises(CheckpointError, match="a square of patches. Received: .* for 9 tokens"):
        load_vit(npz)


def test_parts_that_transformers_wrote(tmp_path):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'tdrec[parity]'")
    transformers = pytest.importorskip("transformers", reason="pip install 'tdrec[parity]'")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=10,
        image_size=12, patch_size=4, num_labels=3, layer_norm_eps=1e-3,
    )  # fmt: skip
    theirs = transformers.ViTForImageClassification(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="2KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    with torch.no_grad():
        logits = theirs(torch.tensor(IMAGES.transpose(0, 3, 1, 2))).logits
    np.testing.assert_allclose(load_vit(tmp_path)(IMAGES), logits, atol=1e-5)
