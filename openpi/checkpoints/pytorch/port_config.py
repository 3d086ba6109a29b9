"""`config.json` beside the weights: what the PyTorch port and LeRobot's policies read to build the model."""

from collections.abc import Mapping
from typing import Any

from openpi.checkpoints.pytorch import table

_IMAGE_SIZE = 224
_CAMERAS = ("base_0_rgb", "left_wrist_0_rgb", "right_wrist_0_rgb")
# The published sizes by (width, depth, mlp_dim).
_VARIANTS = {(2048, 18, 16384): "gemma_2b", (1024, 18, 4096): "gemma_300m", (64, 4, 128): "dummy"}
_CUSTOM = "custom"  # neither program can build it
_MLP = "PaliGemma/llm/layers/mlp{}/linear"
_PROMPT_TOKENS = {"pi0": 48, "pi05": 200}
_NORMALIZATION = {"pi0": "MEAN_STD", "pi05": "QUANTILES"}


def build(shapes: Mapping[str, tuple[int, ...]], *, layout: str, precision: str, action_horizon: int) -> dict[str, Any]:
    """What `config.json` says.

    Args:
      shapes: path -> shape of every parameter, ours.
      layout: in `names.LAYOUTS`.
      precision: in `dtypes.PRECISIONS`.
      action_horizon: actions per chunk, which the parameters don't tell.
    """
    action_dim = shapes["action_in_proj/kernel"][0]
    variants = {
        "paligemma_variant": _variant(shapes[_MLP.format("")]),
        "action_expert_variant": _variant(shapes[_MLP.format("_1")]),
    }
    if layout == "openpi":
        return {"action_dim": action_dim, "action_horizon": action_horizon, **variants, "precision": precision}
    kind = table.kind_of(shapes)
    cameras = {
        f"observation.images.{camera}": {"type": "VISUAL", "shape": [3, _IMAGE_SIZE, _IMAGE_SIZE]}
        for camera in _CAMERAS
    }
    return {
        "type": kind,
        "n_obs_steps": 1,
        "input_features": {**cameras, "observation.state": {"type": "STATE", "shape": [action_dim]}},
        "output_features": {"action": {"type": "ACTION", "shape": [action_dim]}},
        **variants,
        "dtype": precision,
        "chunk_size": action_horizon,
        "n_action_steps": action_horizon,
        "max_state_dim": action_dim,
        "max_action_dim": action_dim,
        "image_resolution": [_IMAGE_SIZE, _IMAGE_SIZE],
        "tokenizer_max_length": _PROMPT_TOKENS[kind],
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": _NORMALIZATION[kind], "ACTION": _NORMALIZATION[kind]},
    }


def _variant(linear: tuple[int, ...]) -> str:
    """The published name of an expert's size, from the shape of its last feed-forward matrix."""
    depth, mlp_dim, width = linear
    return _VARIANTS.get((width, depth, mlp_dim), _CUSTOM)
