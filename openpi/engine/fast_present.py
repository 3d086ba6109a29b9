"""What pi0-FAST need not read of an observation, since it writes the same tokens without."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from openpi.engine import present as present_lib

_TEXT = ("tokenized_prompt", "tokenized_prompt_mask", "token_ar_mask", "token_loss_mask")


def present(model_input: Mapping[str, Any], views: Sequence[Collection[str]] | None = None) -> dict[str, Any]:
    """The same batch of model inputs, to `fast_sampler`, in less.

    Images that are black (uint8 zeros) in all rows are taken out, and their masks kept: the plan knows their tokens. This is how
    published pi0-FAST policies show a camera that the robot lacks. The prompt's empty end is cut to one of `present.lengths`, and
    its `token_ar_mask` left out if that is all zeros; neither if a row has a gap: the model, as published, looks at padding then
    (see `has_gap`).

    Every combination of images and every length is a program of its own; so is a prompt with a gap, or of several blocks.

    Args:
      model_input: numpy arrays under `image` and `image_mask` (a dict by camera each), `tokenized_prompt` int [B, L], its mask
        and its other masks, and whatever else, which is passed on.
      views: combinations of images to choose from: the smallest is taken that has all which are not black, and all images where
        none does. None: any.
    """
    images = model_input["image"]
    kept: Collection[str] = [key for key, image in images.items() if image.dtype != np.uint8 or image.any()]
    if views is not None:
        kept = min((view for view in views if set(kept) <= set(view)), key=len, default=list(images))
    mask = np.asarray(model_input["tokenized_prompt_mask"])
    if has_gap(model_input["image_mask"], mask):
        return only(model_input, kept, mask.shape[1])
    used = int(np.max(np.flatnonzero(mask.any(axis=0)), initial=-1)) + 1
    cut = only(model_input, kept, next(length for length in present_lib.lengths(mask.shape[1]) if length >= used))
    if not np.any(cut["token_ar_mask"]):
        del cut["token_ar_mask"]
    return cut


def only(model_input: Mapping[str, Any], images: Collection[str], length: int) -> dict[str, Any]:
    """A new dict with these images (in the order given before), all masks, and the first `length` tokens of every prompt."""
    kept = {key: image for key, image in model_input["image"].items() if key in images}
    text = {key: model_input[key][:, :length] for key in _TEXT if model_input.get(key) is not None}
    return {**model_input, "image": kept, **text}


def has_gap(image_masks: Mapping[str, np.ndarray], prompt_mask: np.ndarray) -> bool:
    """Whether some row's tokens, of cameras in alphabetical order and prompt, do not lie together, or are none.

    The model finds a row's first token by counting back from its last. Behind a gap it so finds another, and sees the gap, whose
    keys and values depend on all of the row, padding too.
    """
    seen = np.column_stack([*(image_masks[key] for key in sorted(image_masks)), prompt_mask])
    begins = np.diff(np.pad(seen.astype(np.int8), ((0, 0), (1, 0))), axis=1) == 1
    return bool(np.any(begins.sum(axis=1) != 1))
