"""Tests of the files of published ViT weights."""

import json
import re
import shlex

import numpy as np
import pytest

from small_vit import npz_weights, write_folder
from tdrec.models.vit_files import CheckpointError, Config, Weights, read_object, weight_files

safetensors = pytest.importorskip("safetensors.numpy", reason="pip install 'tdrec[images]'")
FLOATS = {"a": np.ones((2, 3), np.float32), "b": np.zeros(2, np.float16)}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "vit", npz_weights())


def split(folder, parts=2):
    """Makes parts of a folder's weights, with the index that `transformers` writes."""
    whole = safetensors.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {}
    for i in range(parts):
        name = f"model-{i + 1:05}-of-{parts:05}.safetensors"
        some = dict(list(whole.items())[i::parts])
        safetensors.save_file(some, folder / name)
        places |= dict.fromkeys(some, name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return whole


def test_a_folder_and_its_file_are_one_checkpoint(folder):
    file = folder / "model.safetensors"
    for path in (folder, str(folder), file, folder / "config.json"):
        assert weight_files(path) == [file]
    other = file.rename(folder / "ema.safetensors")
    assert weight_files(other) == [other]
    with pytest.raises(
        CheckpointError, match="must have model.safetensors. Received: config.json, "
    ):
        weight_files(folder)


def test_parts_are_one_checkpoint(folder):
    whole = split(folder, 3)
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) == 3
    for path in (folder, files[1], folder / "model.safetensors.index.json"):
        assert weight_files(path) == files
    found = Weights(files)
    assert found.names == sorted(whole)
    for name, values in whole.items():
        np.testing.assert_array_equal(found(name, *values.shape), values)
    files[1].unlink()
    with pytest.raises(CheckpointError, match="index.json must name files .*'model-00002-of-00003"):
        weight_files(folder)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": "../x"}}])
def test_an_index_that_names_no_parts(folder, index):
    split(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="model.safetensors.index.json must "):
        weight_files(folder)


def test_nothing_and_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a folder .*none, where there is nothing"):
        weight_files(tmp_path / "none")
    for name in ("empty", "folder.npz", "folder.bin"):
        (tmp_path / name).mkdir()
        with pytest.raises(
            CheckpointError, match="must have model.safetensors. Received: an empty"
        ):
            weight_files(tmp_path / name)
    (tmp_path / "model.h5").touch()
    with pytest.raises(CheckpointError, match=r"must be a folder .*Received: .*model\.h5\."):
        weight_files(tmp_path / "model.h5")


def test_pickles_are_refused_with_what_converts_them(folder, monkeypatch):
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'tdrec[parity]'")
    whole = safetensors.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    tensors = {name: torch.from_numpy(values) for name, values in whole.items()}
    tied = dict(list(tensors.items())[::2])
    tied["same"] = next(iter(tied.values()))  # memory of two weights, which safetensors refuses
    torch.save(tied, folder / "pytorch_model-00001-of-00002.bin")
    torch.save(dict(list(tensors.items())[1::2]), folder / "pytorch_model-00002-of-00002.bin")
    with pytest.raises(
        CheckpointError, match=r"Received: .*pytorch_model\*\.bin, a pickle"
    ) as caught:
        weight_files(folder)
    command = re.search(r"cd (\S+) && python (-c .*)", str(caught.value))
    monkeypatch.chdir(command[1])
    exec(shlex.split(command[2])[1], {})
    found = Weights(weight_files(folder))
    for name, values in whole.items():
        np.testing.assert_array_equal(found(name, *values.shape), values)
    named = folder / "pytorch_model-00001-of-00002.bin"
    with pytest.raises(CheckpointError, match=r"glob\('pytorch_model-00001-of-00002.bin'\)"):
        weight_files(named)


def write(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        safetensors.save_file(arrays, path)
    return Weights([path])


@pytest.fixture(params=["w.npz", "w.safetensors"])
def path(request, tmp_path):
    return tmp_path / request.param


def test_weights_are_float32(path):
    found = write(path, FLOATS)
    assert found.names == ["a", "b"]
    for name, values in FLOATS.items():
        array = found(name, *[None] * values.ndim)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, values)


def test_bfloat16(tmp_path):
    import ml_dtypes

    values = np.array([1.0, -0.15625, 3e38]).astype(ml_dtypes.bfloat16)
    found = write(tmp_path / "w.safetensors", {"a": values})
    np.testing.assert_array_equal(found("a", 3), values.astype(np.float32))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_named(path, wrong):
    values = np.ones((2, 3))
    values[1, 1] = wrong
    found = write(path, {**FLOATS, "c": values})
    with pytest.raises(
        CheckpointError, match=f"{path.name} must .* 1 of 6 values of 'c' that are NaN"
    ):
        found("c", 2, 3)
    assert found("a", 2, 3).all()


def test_quantized_weights_are_refused(path):
    found = write(path, {**FLOATS, "q": np.ones(3, np.int8)})
    with pytest.raises(
        CheckpointError, match=f"{path.name} must .* 'q' of type (I8|int8), which is q"
    ):
        found("q", 3)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, None, None), (None, 2), ()])
def test_another_shape_is_named(path, shape):
    found = write(path, FLOATS)
    with pytest.raises(
        CheckpointError, match=rf"{path.name} must .*'a' of shape .*Received: \(2, 3"
    ):
        found("a", *shape)


def test_a_weight_that_is_not_there(path):
    with pytest.raises(
        CheckpointError, match=f"{path.name} must have the weight 'c'.* 2 others, such"
    ):
        write(path, FLOATS)("c", 1)


@pytest.mark.parametrize("content", [b"", b"no" * 500, b"\x08" + bytes(7) + b"{}" + bytes(6)])
def test_what_is_damaged(path, content):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{path.name} is damaged: .*Download it again"):
        Weights([path])


# config.json


def config(tmp_path, content):
    file = tmp_path / "config.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


@pytest.mark.parametrize("content", [[], "vit", 3, None, b"{", b"", b"\xff\xfe\xfd", b"<html>"])
def test_what_is_no_json_object(tmp_path, content):
    file = config(tmp_path, content)
    with pytest.raises(CheckpointError, match="config.json must hold a JSON object. .*Download"):
        read_object(file)
    file.unlink()
    with pytest.raises(
        CheckpointError, match="config.json must hold a JSON object. .*No such file"
    ):
        Config(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_of_any_encoding(tmp_path, encoding):
    file = config(tmp_path, '{"name": "жук"}'.encode(encoding))
    assert read_object(file) == {"name": "жук"}


def test_defaults_are_those_of_transformers():
    transformers = pytest.importorskip("transformers", reason="pip install 'tdrec[parity]'")
    theirs = transformers.ViTConfig().to_dict()
    assert {key: theirs[key] for key in Config.defaults} == dict(Config.defaults)


def test_values_of_a_config(tmp_path):
    found = Config(config(tmp_path, {"image_size": [64, 64], "patch_size": 8, "hidden_size": 32}))
    assert (found.side("image_size"), found.side("patch_size")) == (64, 8)
    assert (found.size("hidden_size"), found.size("intermediate_size")) == (32, 3072)
    assert found.positive("layer_norm_eps") == 1e-12
    assert found.one_of("qkv_bias", True, False) is True and found["hidden_act"] == "gelu"
    assert found.missing == [
        *("model_type", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
        *("hidden_act", "layer_norm_eps", "num_channels", "qkv_bias"),
    ]


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (
            "side",
            [[8, 16], [8], [], [8, 8, 8], "8", 8.0, 0, -8, True, None, {"height": 8}, [[8], 8]],
        ),
        ("size", ["8", 8.0, 0, -8, True, None, [8, 8]]),
        ("positive", ["1e-6", 0, -1, None, True, float("nan"), float("inf"), [1e-6]]),
    ],
)
def test_values_of_another_kind_are_named(tmp_path, read, values):
    for value in values:
        found = Config(config(tmp_path, {"image_size": value}))
        with pytest.raises(CheckpointError, match=r"config.json must have .* as 'image_size'. Rec"):
            getattr(found, read)("image_size")
    for value in ("false", 0, 1, None, []):
        with pytest.raises(
            CheckpointError, match="must have True or False as 'qkv_bias'. Received"
        ):
            Config(config(tmp_path, {"qkv_bias": value})).one_of("qkv_bias", True, False)
