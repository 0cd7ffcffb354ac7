"""A small ViT's weights in the form of published ones, and its hidden states by NumPy."""

import json
import math

import numpy as np

SIZES = {
    "image_size": 12,
    "patch_size": 4,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 8,
    "mlp_dim": 10,
}
CLASSES = 5
IMAGES = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)


def npz_weights(seed=1):
    """Random weights by the names that Google Research's files have."""
    rng = np.random.default_rng(seed)
    width, heads, mlp = SIZES["hidden_dim"], SIZES["num_heads"], SIZES["mlp_dim"]
    shapes = {
        "cls": (1, 1, width),
        "embedding/kernel": (4, 4, 3, width),
        "embedding/bias": (width,),
        "Transformer/posembed_input/pos_embedding": (1, 10, width),
        "Transformer/encoder_norm/scale": (width,),
        "Transformer/encoder_norm/bias": (width,),
        "head/kernel": (width, CLASSES),
        "head/bias": (CLASSES,),
    }
    for i in range(SIZES["num_layers"]):
        block = f"Transformer/encoderblock_{i}"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            shapes |= {f"{block}/{norm}/scale": (width,), f"{block}/{norm}/bias": (width,)}
        attention = f"{block}/MultiHeadDotProductAttention_1"
        for part in ("query", "key", "value"):
            shapes[f"{attention}/{part}/kernel"] = (width, heads, width // heads)
            shapes[f"{attention}/{part}/bias"] = (heads, width // heads)
        shapes[f"{attention}/out/kernel"] = (heads, width // heads, width)
        shapes[f"{attention}/out/bias"] = (width,)
        for dense, (before, after) in (("Dense_0", (width, mlp)), ("Dense_1", (mlp, width))):
            shapes[f"{block}/MlpBlock_3/{dense}/kernel"] = (before, after)
            shapes[f"{block}/MlpBlock_3/{dense}/bias"] = (after,)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_folder(folder, weights, **config):
    """Writes the weights as a folder of `transformers`, of a bare model without a head."""
    from safetensors.numpy import save_file

    width = SIZES["hidden_dim"]
    renamed = {
        "embeddings.cls_token": weights["cls"],
        "embeddings.patch_embeddings.projection.weight": weights["embedding/kernel"].transpose(
            3, 2, 0, 1
        ),
        "embeddings.patch_embeddings.projection.bias": weights["embedding/bias"],
        "embeddings.position_embeddings": weights["Transformer/posembed_input/pos_embedding"],
        "layernorm.weight": weights["Transformer/encoder_norm/scale"],
        "layernorm.bias": weights["Transformer/encoder_norm/bias"],
    }
    places = {
        "LayerNorm_0": "layernorm_before",
        "LayerNorm_2": "layernorm_after",
        "MlpBlock_3/Dense_0": "intermediate.dense",
        "MlpBlock_3/Dense_1": "output.dense",
        "MultiHeadDotProductAttention_1/out": "attention.output.dense",
    }
    for part in ("query", "key", "value"):
        places[f"MultiHeadDotProductAttention_1/{part}"] = f"attention.attention.{part}"
    for i in range(SIZES["num_layers"]):
        for theirs, name in places.items():
            for kind in ("scale", "kernel", "bias"):
                value = weights.get(f"Transformer/encoderblock_{i}/{theirs}/{kind}")
                if value is None:
                    continue
                flat = value.reshape(-1)
                if kind == "kernel":
                    rows = (-1, width) if theirs.endswith("out") else (len(value), -1)
                    flat = value.reshape(rows).T
                key = f"encoder.layer.{i}.{name}.{'bias' if kind == 'bias' else 'weight'}"
                renamed[key] = flat
    folder.mkdir(exist_ok=True)
    save_file(
        {k: np.ascontiguousarray(v) for k, v in renamed.items()}, folder / "model.safetensors"
    )
    text = {
        "model_type": "vit",
        "hidden_act": "gelu_new",
        "hidden_size": width,
        "num_hidden_layers": SIZES["num_layers"],
        "num_attention_heads": SIZES["num_heads"],
        "intermediate_size": SIZES["mlp_dim"],
        "image_size": SIZES["image_size"],
        "patch_size": SIZES["patch_size"],
        "layer_norm_eps": 1e-6,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(text))
    return folder


def hidden_states(weights, images, epsilon=1e-6, approximate_gelu=True):
    """The states after the embedding and after each block, and the logits, by NumPy."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    patch = SIZES["patch_size"]
    rows, side = len(images), images.shape[1] // patch

    def dense(x, name):
        return np.tensordot(x, w[f"{name}/kernel"], axes=1) + w[f"{name}/bias"]

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
        return scaled * w[f"{name}/scale"] + w[f"{name}/bias"]

    def gelu(x):
        if approximate_gelu:
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def attention(x, name):
        query, key, value = (dense(x, f"{name}/{part}") for part in ("query", "key", "value"))
        scores = np.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(query.shape[-1])
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed = np.einsum("bhqk,bkhd->bqhd", shares, value)
        return np.einsum("bqhd,hdw->bqw", mixed, w[f"{name}/out/kernel"]) + w[f"{name}/out/bias"]

    patches = images.astype(np.float64).reshape(rows, side, patch, side, patch, 3)
    patches = patches.transpose(0, 1, 3, 2, 4, 5).reshape(rows, side * side, -1)
    width = w["cls"].shape[-1]
    tokens = patches @ w["embedding/kernel"].reshape(-1, width) + w["embedding/bias"]
    tokens = np.concatenate([np.tile(w["cls"], (rows, 1, 1)), tokens], axis=1)
    states = [tokens + w["Transformer/posembed_input/pos_embedding"]]
    for i in range(SIZES["num_layers"]):
        block = f"Transformer/encoderblock_{i}"
        x = states[-1]
        x = x + attention(
            norm(x, f"{block}/LayerNorm_0"), f"{block}/MultiHeadDotProductAttention_1"
        )
        hidden = gelu(dense(norm(x, f"{block}/LayerNorm_2"), f"{block}/MlpBlock_3/Dense_0"))
        states.append(x + dense(hidden, f"{block}/MlpBlock_3/Dense_1"))
    return states, dense(norm(states[-1], "Transformer/encoder_norm")[:, 0], "head")
