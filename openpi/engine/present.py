"""What of an observation is there at all: cameras that no row has are dropped, and the prompt's empty end is cut."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def present(model_input: Mapping[str, Any]) -> dict[str, Any]:
    """The same batch of model inputs, to a flow model, in less.

    Every combination of cameras and every length is a program of its own, so lengths come in steps: see `lengths`.

    Args:
      model_input: numpy arrays under `image` and `image_mask` (a dict by camera each), `tokenized_prompt` int [B, L] and its
        mask, and whatever else, which is passed on.

    Returns:
      A new dict; of several cameras that are all absent, the first is kept: a model sees one at least.
    """
    masks = model_input["image_mask"]
    cameras = [key for key in masks if np.any(masks[key])] or list(masks)[:1]
    cut = {
        **model_input,
        "image": {key: model_input["image"][key] for key in cameras},
        "image_mask": {key: masks[key] for key in cameras},
    }
    if model_input.get("tokenized_prompt") is not None:
        mask = np.asarray(model_input["tokenized_prompt_mask"])
        used = int(np.max(np.flatnonzero(mask.any(axis=0)), initial=-1)) + 1
        length = next(length for length in lengths(mask.shape[1]) if length >= used)
        cut |= {key: model_input[key][:, :length] for key in ("tokenized_prompt", "tokenized_prompt_mask")}
    return cut


def lengths(max_token_len: int) -> list[int]:
    """The lengths that prompts are cut to: about a quarter, a half and the whole of the longest."""
    return sorted({min(-(-max_token_len * part // (4 * 16)) * 16, max_token_len) for part in (1, 2, 4)})
