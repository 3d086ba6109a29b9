import numpy as np
import PIL.Image
import pytest

from openpi.trainer import tiny_dataset
from openpi.trainer.preflight import model_view


def batch(size):
    return {
        "image": {"base_0_rgb": np.broadcast_to(np.array([255, 0, 0], np.uint8), (size, 56, 56, 3))},
        "image_mask": {"base_0_rgb": np.ones(size, bool)},
        "state": np.zeros((size, 14)),
        "actions": np.zeros((size, 4, 14)),
    }


@pytest.mark.parametrize("size", [1, 9])
@pytest.mark.parametrize("augmentation", ["none", "corrected"])
def test_shows_the_first_samples_as_the_model_sees_them(tmp_path, size, augmentation):
    config = tiny_dataset.config(model__augmentation=augmentation)
    path = model_view.draw(config, batch(size), tmp_path / "seen.png")
    with PIL.Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    red = np.all(pixels == (255, 0, 0), axis=-1)
    assert red.mean() > 0.1
    rows = np.flatnonzero(np.diff(red.any(axis=1).astype(int)) == 1)
    assert len(rows) == min(size, 6)  # a row a sample
