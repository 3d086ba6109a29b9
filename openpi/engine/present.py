"""What of an observation is there at all: cameras that no row has are dropped, and the prompt's empty end is cut."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np


def present(model_input: Mapping[str, Any], views: Sequence[Collection[str]] | None = None) -> dict[str, Any]:
    """The same batch of model inputs, in less.

    Every combination of cameras and every length is a program of its own, so lengths come in steps: see `lengths`.

    Args:
      model_input: numpy arrays under `image` and `image_mask` (a dict by camera each), `tokenized_prompt` int [B, L] and its
        mask, and whatever else, which is passed on.
      views: combinations of cameras to choose from: the smallest is taken that has all cameras which a row has, and all cameras
        where none does. None: any.

    Returns:
      A new dict; of several cameras that are all absent, the first is kept: a model sees one at least.
    """
    masks = model_input["image_mask"]
    cameras: Collection[str] = [key for key in masks if np.any(masks[key])]
    if views is not None:
        cameras = min((view for view in views if set(cameras) <= set(view)), key=len, default=list(masks))
    length = 0
    if model_input.get("tokenized_prompt") is not None:
        mask = np.asarray(model_input["tokenized_prompt_mask"])
        used = int(np.max(np.flatnonzero(mask.any(axis=0)), initial=-1)) + 1
        length = next(length for length in lengths(mask.shape[1]) if length >= used)
    return only(model_input, cameras or list(masks)[:1], length)


def only(model_input: Mapping[str, Any], cameras: Collection[str], length: int) -> dict[str, Any]:
    """A new dict with these cameras (in the model's order), and the first `length` tokens of every prompt."""
    kept = {
        key: {name: each for name, each in model_input[key].items() if name in cameras}
        for key in ("image", "image_mask")
    }
    prompt = {
        key: model_input[key][:, :length]
        for key in ("tokenized_prompt", "tokenized_prompt_mask")
        if model_input.get(key) is not None
    }
    return {**model_input, **kept, **prompt}


def lengths(max_token_len: int) -> list[int]:
    """The lengths that prompts are cut to: about a half, three quarters and the whole of the longest."""
    return sorted({min(-(-max_token_len * part // (4 * 16)) * 16, max_token_len) for part in (2, 3, 4)})
