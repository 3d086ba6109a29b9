"""A raw DROID recording: `trajectory.h5`, and beside it `recordings/MP4/SERIAL.mp4` of three cameras, at 15 Hz.

| dataset of trajectory.h5 | what |
| --- | --- |
| `/observation/robot_state/joint_positions`, `/observation/robot_state/gripper_position` | `[T, 7]`, `[T]` |
| `/action/joint_velocity`, `/action/gripper_position` | `[T, 7]`, `[T]` |
| `/observation/camera_type/SERIAL` | `[T]`: 0 is the wrist camera, others stand outside |
"""

import contextlib
import pathlib
from collections.abc import Generator, Iterator
from typing import Any

import av
import av.video.reformatter
import h5py
import numpy as np
import PIL.Image

from openpi.convert import episode, hdf5

FPS = 15
HEIGHT, WIDTH = 180, 320

_STATE = "/observation/robot_state"
_CAMERA_TYPE = "/observation/camera_type"
_MAX_SIDE = 8192  # pixels
_CAMERAS = ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
_FEATURES: dict[str, Any] = {
    **{
        camera: {"dtype": "image", "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channel"]}
        for camera in _CAMERAS
    },
    "joint_position": {"dtype": "float32", "shape": [7], "names": [f"joint_{i}" for i in range(7)]},
    "gripper_position": {"dtype": "float32", "shape": [1], "names": ["gripper"]},
    "actions": {
        "dtype": "float32",
        "shape": [8],
        "names": [*(f"joint_velocity_{i}" for i in range(7)), "gripper_position"],
    },
}


@contextlib.contextmanager
def opened(path: pathlib.Path, *, task: str) -> Iterator[episode.Episode]:
    """The recording, its tables read and checked.

    Args:
      path: its trajectory.h5.
      task: the instruction.

    Raises:
      BadEpisodeError: something is missing or damaged.
    """
    with hdf5.opened(path) as file:
        names = {f"{_STATE}/joint_positions": 7, f"{_STATE}/gripper_position": None}
        names |= {"/action/joint_velocity": 7, "/action/gripper_position": None}
        tables = {name: hdf5.numbers(file, name, width) for name, width in names.items()}
        num_frames = hdf5.check_lengths(file, {name: len(table) for name, table in tables.items()})
        serials = _serials(file)
    joints, gripper, velocity, gripper_action = tables.values()
    actions = np.concatenate([velocity, gripper_action[:, None]], axis=1)
    videos = {camera: path.parent / "recordings" / "MP4" / f"{serial}.mp4" for camera, serial in serials.items()}
    for video in videos.values():
        if not video.is_file():
            raise episode.BadEpisodeError(f"{video} is missing: trajectory.h5 names its camera; copy the videos, too")

    def frames() -> Iterator[dict[str, Any]]:
        with contextlib.ExitStack() as stack:
            images = {
                camera: stack.enter_context(contextlib.closing(_images(video))) for camera, video in videos.items()
            }
            for step in range(num_frames):
                frame: dict[str, Any] = {camera: next(images[camera], None) for camera in _CAMERAS}
                for camera, image in frame.items():
                    if image is None:
                        raise episode.BadEpisodeError(
                            f"{videos[camera]}: ends after {step} frames, and trajectory.h5 has {num_frames} steps"
                        )
                yield frame | {
                    "joint_position": joints[step],
                    "gripper_position": gripper[step],
                    "actions": actions[step],
                }

    yield episode.Episode(task=task, features=_FEATURES, num_frames=num_frames, frames=frames)


def _serials(file: h5py.File) -> dict[str, str]:
    """The serial number of each camera; the two outside in the order of theirs."""
    found = hdf5.members(file, _CAMERA_TYPE)
    wrist, outside = [], []
    for serial in found:
        kinds = np.unique(hdf5.numbers(file, f"{_CAMERA_TYPE}/{serial}"))
        if len(kinds) > 1:
            raise episode.BadEpisodeError(
                f"{file.filename}: dataset {_CAMERA_TYPE}/{serial} changes within the recording: {kinds.tolist()}"
            )
        (outside if kinds[0] else wrist).append(serial)
    if len(wrist) != 1 or len(outside) < 2 or not all(serial.replace("-", "").isalnum() for serial in found):
        raise episode.BadEpisodeError(
            f"{file.filename}: {_CAMERA_TYPE} names the wrist cameras {wrist} and {outside} outside, expected one and two"
        )
    return dict(zip(_CAMERAS, [*outside[:2], *wrist], strict=True))


def _images(path: pathlib.Path) -> Generator[np.ndarray, None, None]:
    """The frames of a video in order: uint8 [HEIGHT, WIDTH, 3]."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise episode.BadEpisodeError(f"{path}: holds no video")
            stream = container.streams.video[0]
            if not 0 < max(stream.width, stream.height) <= _MAX_SIDE:
                raise episode.BadEpisodeError(f"{path}: frames of {stream.height}x{stream.width} make no sense")
            reformatter = av.video.reformatter.VideoReformatter()  # reused: making one a frame halves the rate
            for frame in container.decode(stream):
                rgb = reformatter.reformat(frame, format="rgb24").to_ndarray()
                if rgb.shape[:2] != (HEIGHT, WIDTH):
                    image = PIL.Image.fromarray(rgb).resize((WIDTH, HEIGHT), PIL.Image.Resampling.BICUBIC)
                    rgb = np.asarray(image)
                yield rgb
    except av.FFmpegError as error:
        raise episode.BadEpisodeError(f"{path}: cannot be decoded ({error}): copy or record it again") from error
