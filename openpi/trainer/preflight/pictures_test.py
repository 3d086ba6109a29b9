import numpy as np
import PIL.Image
import pytest

from openpi.trainer.preflight import pictures


def images(**colours):
    return {name: np.broadcast_to(np.float32(rgb), (2, 8, 8, 3)) for name, rgb in colours.items()}


@pytest.mark.parametrize("augmented", [False, True])
def test_shows_every_camera_of_every_sample(tmp_path, augmented):
    seen = images(base=(1, -1, -1), wrist=(-1, -1, 1))
    masks = {"base": np.array([True, True]), "wrist": np.array([True, False])}
    changed = images(base=(-1, 1, -1), wrist=(-1, -1, 1)) if augmented else None
    path = pictures.write(tmp_path / "new" / "seen.png", seen, masks, ["push the cube", "p" * 200], changed)
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    share = {colour: np.mean(np.all(pixels == colour, axis=1)) for colour in [(255, 0, 0), (0, 0, 255), (0, 255, 0)]}
    assert share[255, 0, 0] > 0.05 and share[0, 0, 255] > 0.05
    assert (share[0, 255, 0] > 0.05) == augmented
    assert [entry.name for entry in path.parent.iterdir()] == ["seen.png"]


def test_an_image_that_is_left_out_says_so(tmp_path):
    seen = images(base=(0, 0, 0))
    drawn = [
        pictures.write(tmp_path / f"{mask}.png", seen, {"base": np.array([True, mask])}, ["a", "b"]).read_bytes()
        for mask in (True, False)
    ]
    assert drawn[0] != drawn[1]
