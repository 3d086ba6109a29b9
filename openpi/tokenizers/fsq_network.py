"""The FSQ network in numpy, float32: action chunks to tokens and back, without an accelerator.

Axes: B batch, T queries, S keys, N heads, H head dim, D width, F feed-forward width.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from openpi.tokenizers import fsq_codebook, fsq_config

Params = dict[str, np.ndarray]
_EPSILON = 1e-6


def check_params(config: fsq_config.FsqConfig, params: Mapping[str, Any]) -> Params:
    """Returns the parameters by their paths joined by "/", as float32.

    Args:
      config: what they are for.
      params: nested dict of arrays.

    Raises:
      ValueError: one is missing, unknown or of another shape; the first such path is named.
    """
    expected, actual = config.shapes(), _flatten(params)
    for path in sorted(expected | actual):
        want, have = expected.get(path), np.shape(actual[path]) if path in actual else None
        if want != have:
            raise ValueError(f"FSQ tokenizer: parameter {path} has shape {have}, its settings need {want} (None: none)")
    return {path: np.asarray(value, np.float32) for path, value in actual.items()}


def tokenize(config: fsq_config.FsqConfig, params: Params, actions: np.ndarray) -> np.ndarray:
    """Returns the tokens int32 [B, num_tokens] of chunks [B, data_horizon, data_dim]."""
    return fsq_codebook.encode(latents(config, params, actions), config.bins)


def latents(config: fsq_config.FsqConfig, params: Params, actions: np.ndarray) -> np.ndarray:
    """Returns what tokens are rounded from: float32 [B, num_tokens, digits] in [-1, 1]."""
    x = np.asarray(actions, np.float32)
    if config.bound is not None:
        x = np.clip(x, -config.bound, config.bound)
    x = _blocks(config, params, "encoder", _dense(params, "proj", x))
    return np.tanh(_dense(params, "codebook/proj_down", x))


def detokenize(config: fsq_config.FsqConfig, params: Params, tokens: np.ndarray) -> np.ndarray:
    """Returns the chunks float32 [B, data_horizon, data_dim] of tokens int [B, num_tokens].

    Raises:
      ValueError: the number of tokens is another.
    """
    if tokens.ndim != 2 or tokens.shape[1] != config.num_tokens:
        raise ValueError(f"FSQ tokens are [B, {config.num_tokens}], and have the shape {tokens.shape}")
    z = fsq_codebook.decode(tokens, config.bins)
    x = _blocks(config, params, "decoder", _dense(params, "codebook/proj_up", z))
    return _dense(params, "proj_mean", x) * params["out_scale"]


def _blocks(config: fsq_config.FsqConfig, params: Params, name: str, y: np.ndarray) -> np.ndarray:
    """Learned queries read the sequence y [B, S, D]: [B, T, D]."""
    y = y + params[f"{name}/y_pos_enc"]
    x = np.broadcast_to(params[f"{name}/q_embed"], (len(y), *params[f"{name}/q_embed"].shape))
    queries, keys = np.arange(x.shape[1]), np.arange(y.shape[1])
    self_mask = cross_mask = None
    if config.causal:
        # The longer sequence falls into as many blocks as the shorter has elements.
        query_block, key_block = max(len(queries) // len(keys), 1), max(len(keys) // len(queries), 1)
        self_mask = queries[:, None] >= queries
        cross_mask = queries[:, None] // query_block >= keys // key_block
    for i in range(config.num_layers):
        layer = f"{name}/CrossAttentionLayer_{i}"
        h = _layer_norm(params, f"{layer}/LayerNorm_0", x)
        x = x + _attention(params, f"{layer}/MultiHeadDotProductAttention_0", h, h, self_mask)
        h = _layer_norm(params, f"{layer}/LayerNorm_1", x)
        x = x + _attention(params, f"{layer}/MultiHeadDotProductAttention_1", h, y, cross_mask)
        h = _dense(params, f"{layer}/Dense_0", _layer_norm(params, f"{layer}/LayerNorm_2", x))
        linear, gate = np.split(_dense(params, f"{layer}/GeGLU_0/Dense_0", h), 2, axis=-1)
        x = x + _dense(params, f"{layer}/Dense_1", linear * _gelu(gate))
    return x


def _attention(params: Params, name: str, x: np.ndarray, y: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Multi-head attention from x [B, T, D] to y [B, S, D]; mask bool [T, S], True where it may look."""
    project = lambda part, z: (
        np.einsum("BTD,DNH->BTNH", z, params[f"{name}/{part}/kernel"], optimize=True) + params[f"{name}/{part}/bias"]
    )
    query, key, value = project("query", x), project("key", y), project("value", y)
    logits = np.einsum("BTNH,BSNH->BNTS", query, key, optimize=True) / np.float32(np.sqrt(query.shape[-1]))
    if mask is not None:
        logits = np.where(mask, logits, np.finfo(np.float32).min)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    out = np.einsum("BNTS,BSNH->BTNH", weights, value, optimize=True)
    return np.einsum("BTNH,NHD->BTD", out, params[f"{name}/out/kernel"], optimize=True) + params[f"{name}/out/bias"]


def _dense(params: Params, name: str, x: np.ndarray) -> np.ndarray:
    return x @ params[f"{name}/kernel"] + params[f"{name}/bias"]


def _layer_norm(params: Params, name: str, x: np.ndarray) -> np.ndarray:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + np.float32(_EPSILON)) * params[f"{name}/scale"] + params[f"{name}/bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    """The tanh approximation."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (1 + np.tanh(inner))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}/")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
