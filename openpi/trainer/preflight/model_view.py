"""Images of a batch as the model sees them: what a person looks at before a long training."""

import functools
import pathlib
from typing import Any

import jax
import numpy as np

from openpi.config import build_model, schema
from openpi.models import observation, preprocess
from openpi.trainer.preflight import pictures

_MAX_SHOWN = 6  # samples


def draw(config: schema.ConfigDict, batch: Any, path: pathlib.Path) -> pathlib.Path:
    """Draws the first samples of a batch into a PNG file, and beside each what augmentation may make of it.

    Args:
      config: of the training.
      batch: as the loader gives it.
      path: of the file.
    """
    shown = jax.tree.map(lambda leaf: np.asarray(leaf[:_MAX_SHOWN]), batch)
    model = build_model.build(config.model)

    def see(augmentation: str):
        convert = functools.partial(
            preprocess.preprocess,
            image_keys=model.image_keys,
            image_resolution=model.image_resolution,
            augmentation=augmentation,
        )
        return jax.jit(convert)(jax.random.key(config.seed), observation.Observation.from_dict(shown))

    seen = see("none")
    augmented = see(model.augmentation).images if model.augmentation != "none" else None
    state = [", ".join(f"{number:.2g}" for number in row[:4]) for row in shown["state"]]
    captions = [f"sample {i}: state {text}, …" for i, text in enumerate(state)]
    return pictures.write(path, seen.images, seen.image_masks, captions, augmented)
