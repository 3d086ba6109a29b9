"""The smallest pi0 and pi0.5, with sizes that all differ: where tests of other weights start."""

import functools
import math
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from openpi.models import gemma, pi0, siglip

HEAD_DIM = 3  # of the image tower


@functools.cache
def shapes(kind: str) -> dict[str, Any]:
    """The tree of `jax.ShapeDtypeStruct`s of "pi0" or "pi05"."""
    config = pi0.Pi0Config(
        siglip=siglip.SiglipConfig(width=6, depth=3, mlp_dim=7, num_heads=2, patch_size=(2, 2)),
        language=gemma.GemmaConfig(width=5, depth=2, mlp_dim=9, num_heads=2, num_kv_heads=1, head_dim=4),
        expert=gemma.GemmaConfig(width=8, depth=2, mlp_dim=11, num_heads=2, num_kv_heads=1, head_dim=4),
        vocab_size=13,
        action_dim=3,
        max_token_len=4,
        pi05=kind == "pi05",
        image_resolution=(4, 6),
    )
    return jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))


def params(kind: str, dtype: np.typing.DTypeLike = np.float32) -> dict[str, Any]:
    """Numbers that are all different in float32."""
    flat = traverse_util.flatten_dict(shapes(kind), sep="/")
    start = 0
    tree = {}
    for path, leaf in flat.items():
        size = math.prod(leaf.shape)
        tree[path] = np.arange(start, start + size, dtype=np.float32).reshape(leaf.shape).astype(dtype)
        start += size
    return traverse_util.unflatten_dict(tree, sep="/")


def state_dict(kind: str) -> dict[str, np.ndarray]:
    """`params(kind)` as the PyTorch port names and lays them out, spelled out layer by layer, without the table."""
    tree = params(kind)
    tower, llm = tree["PaliGemma"]["img"], tree["PaliGemma"]["llm"]
    paligemma = "paligemma_with_expert.paligemma."
    vision, language = paligemma + "model.vision_tower.vision_model.", paligemma + "model.language_model."
    state = {
        vision + "embeddings.patch_embedding.weight": tower["embedding"]["kernel"].transpose(3, 2, 0, 1),
        vision + "embeddings.patch_embedding.bias": tower["embedding"]["bias"],
        vision + "embeddings.position_embedding.weight": tower["pos_embedding"][0],
        **_affine(vision + "post_layernorm", tower["Transformer"]["encoder_norm"]),
        **_affine(paligemma + "model.multi_modal_projector.linear", tower["head"]),
        paligemma + "lm_head.weight": llm["embedder"]["input_embedding"],
        "paligemma_with_expert.gemma_expert.lm_head.weight": np.zeros((13, 8), np.float32),
        **{name: value for head in tree if head != "PaliGemma" for name, value in _affine(head, tree[head]).items()},
    }
    for i in range(3):
        block = jax.tree.map(lambda leaf, i=i: leaf[i], tower["Transformer"]["encoderblock"])
        state |= _vision_layer(f"{vision}encoder.layers.{i}.", block)
    for suffix, prefix in (("", language), ("_1", "paligemma_with_expert.gemma_expert.model.")):
        state |= _rms_norm(prefix + "norm", llm["final_norm" + suffix])
        for i in range(2):
            layer = jax.tree.map(lambda leaf, i=i: leaf[i], llm["layers"])
            state |= _gemma_layer(f"{prefix}layers.{i}.", layer, suffix)
    return {name: np.ascontiguousarray(value) for name, value in state.items()}


def _affine(name: str, tree: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    weight = tree["kernel"].T if "kernel" in tree else tree["scale"]
    return {name + ".weight": weight, name + ".bias": tree["bias"]}


def _rms_norm(name: str, tree: dict[str, Any]) -> dict[str, np.ndarray]:
    return _affine(name + ".dense", tree["Dense_0"]) if "Dense_0" in tree else {name + ".weight": tree["scale"]}


def _vision_layer(name: str, block: dict[str, Any]) -> dict[str, np.ndarray]:
    attention = block["MultiHeadDotProductAttention_0"]
    state = {
        **_affine(name + "layer_norm1", block["LayerNorm_0"]),
        **_affine(name + "layer_norm2", block["LayerNorm_1"]),
        **_affine(name + "mlp.fc1", block["MlpBlock_0"]["Dense_0"]),
        **_affine(name + "mlp.fc2", block["MlpBlock_0"]["Dense_1"]),
        name + "self_attn.out_proj.weight": np.concatenate([head.T for head in attention["out"]["kernel"]], axis=1),
        name + "self_attn.out_proj.bias": attention["out"]["bias"],
    }
    for ours, theirs in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
        heads = [attention[ours]["kernel"][:, head].T for head in range(2)]
        state[f"{name}self_attn.{theirs}.weight"] = np.concatenate(heads)
        state[f"{name}self_attn.{theirs}.bias"] = np.concatenate(list(attention[ours]["bias"]))
    return state


def _gemma_layer(name: str, layer: dict[str, Any], suffix: str) -> dict[str, np.ndarray]:
    attention, mlp = layer["attn"], layer["mlp" + suffix]
    return {
        name + "self_attn.q_proj.weight": np.concatenate([head.T for head in attention[f"q_einsum{suffix}"]["w"]]),
        name + "self_attn.k_proj.weight": attention[f"kv_einsum{suffix}"]["w"][0, 0].T,
        name + "self_attn.v_proj.weight": attention[f"kv_einsum{suffix}"]["w"][1, 0].T,
        name + "self_attn.o_proj.weight": np.concatenate(
            [head.T for head in attention[f"attn_vec_einsum{suffix}"]["w"]], axis=1
        ),
        name + "mlp.gate_proj.weight": mlp["gating_einsum"][0].T,
        name + "mlp.up_proj.weight": mlp["gating_einsum"][1].T,
        name + "mlp.down_proj.weight": mlp["linear"].T,
        **_rms_norm(name + "input_layernorm", layer["pre_attention_norm" + suffix]),
        **_rms_norm(name + "post_attention_layernorm", layer["pre_ffw_norm" + suffix]),
    }
