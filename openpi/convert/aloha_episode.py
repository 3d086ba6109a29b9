"""A raw ALOHA recording, `episode_N.hdf5`: 14 joints and a few cameras, at 50 Hz.

| dataset | what |
| --- | --- |
| `/observations/qpos`, `/action` | `[T, 14]`: the left arm's six joints and gripper, then the right arm's |
| `/observations/qvel`, `/observations/effort` | the same, where recorded |
| `/observations/images/CAMERA` | uint8 `[T, H, W, 3]`, or one JPEG a step: `[T, bytes]` with zeros behind it, or ragged |
"""

import contextlib
import io
import pathlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import PIL.Image

from openpi.convert import episode, hdf5

FPS = 50

# In the order of the data. The published converter lists the right arm first, though its data begin with the left.
MOTORS = tuple(
    f"{arm}_{joint}"
    for arm in ("left", "right")
    for joint in ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
)

_OBSERVATIONS = "/observations"
_TABLES = {
    "observation.state": f"{_OBSERVATIONS}/qpos",
    "action": "/action",
    "observation.velocity": f"{_OBSERVATIONS}/qvel",
    "observation.effort": f"{_OBSERVATIONS}/effort",
}
_OPTIONAL = ("observation.velocity", "observation.effort")
_IMAGES = f"{_OBSERVATIONS}/images"
_MAX_SIDE = 8192  # pixels
_MAX_JPEG = 64 << 20  # bytes


@contextlib.contextmanager
def opened(path: pathlib.Path, *, task: str, bgr: bool = False) -> Iterator[episode.Episode]:
    """The recording, its tables read and checked.

    Args:
      path: the HDF5 file.
      task: the instruction.
      bgr: the recorder gave its images blue first; red and blue are exchanged.

    Raises:
      BadEpisodeError: something is missing or damaged.
    """
    with hdf5.opened(path) as file:
        there = [f"{_OBSERVATIONS}/{name}" for name in hdf5.members(file, _OBSERVATIONS)]
        names = {key: name for key, name in _TABLES.items() if key not in _OPTIONAL or name in there}
        tables = {key: hdf5.numbers(file, name, len(MOTORS)) for key, name in names.items()}
        cameras = {name: hdf5.dataset(file, f"{_IMAGES}/{name}") for name in hdf5.members(file, _IMAGES)}
        if not cameras:
            raise episode.BadEpisodeError(f"{path}: {_IMAGES} is missing or empty: record it with cameras")
        lengths = {names[key]: len(table) for key, table in tables.items()}
        lengths |= {camera.name: camera.shape[0] if camera.ndim else 0 for camera in cameras.values()}
        num_frames = hdf5.check_lengths(file, lengths)
        features: dict[str, Any] = {
            key: {"dtype": "float32", "shape": [len(MOTORS)], "names": list(MOTORS)} for key in tables
        }
        for name, camera in cameras.items():
            height, width, _ = _image(file, camera, 0).shape
            features[f"observation.images.{name}"] = {
                "dtype": "image",
                "shape": [3, height, width],
                "names": ["channels", "height", "width"],
            }

        def frames() -> Iterator[dict[str, Any]]:
            for step in range(num_frames):
                frame: dict[str, Any] = {key: table[step] for key, table in tables.items()}
                for name, camera in cameras.items():
                    image = _image(file, camera, step)
                    key = f"observation.images.{name}"
                    size = tuple(features[key]["shape"][1:])
                    if image.shape[:2] != size:
                        raise episode.BadEpisodeError(
                            f"{path}: dataset {camera.name}, step {step}: the image is {image.shape[0]}x{image.shape[1]}, "
                            f"and the first one {size[0]}x{size[1]} (height x width)"
                        )
                    frame[key] = (image[..., ::-1] if bgr else image).transpose(2, 0, 1)
                yield frame

        yield episode.Episode(task=task, features=features, num_frames=num_frames, frames=frames)


def _image(file: h5py.File, camera: h5py.Dataset, step: int) -> np.ndarray:
    """uint8 [H, W, 3]."""
    with hdf5.reading(file, camera.name):
        shape, dtype = camera.shape or (), camera.dtype
        raw = len(shape) == 4 and shape[3] == 3 and min(shape[1:3]) > 0 and max(shape[1:3]) <= _MAX_SIDE
        padded = len(shape) == 2 and dtype == np.uint8 and shape[1] <= _MAX_JPEG
        encoded = padded or (len(shape) == 1 and h5py.check_vlen_dtype(dtype) == np.uint8)
        if not encoded and not (raw and dtype == np.uint8):
            raise episode.BadEpisodeError(
                f"{file.filename}: dataset {camera.name} is {dtype} {list(shape)}, expected uint8 images [T, H, W, 3] or "
                "JPEGs [T, bytes]"
            )
        value = camera[step]
    return _decode(f"{file.filename}: dataset {camera.name}, step {step}", value) if encoded else value


def _decode(where: str, data: np.ndarray) -> np.ndarray:
    try:
        with PIL.Image.open(io.BytesIO(data.tobytes()), formats=["JPEG", "PNG"]) as image:
            if max(image.size) > _MAX_SIDE:
                raise episode.BadEpisodeError(f"{where}: an image of {image.size[1]}x{image.size[0]} is too large")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:  # Pillow reports broken files by any
        raise episode.BadEpisodeError(f"{where}: no readable JPEG ({error})") from error
