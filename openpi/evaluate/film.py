"""Keeps pictures of episodes: an mp4 to watch, a strip of frames to print."""

import pathlib
import re

import av
import numpy as np
from PIL import Image

from openpi.data.lerobot import video
from openpi.runtime import subscriber

_CRF = 20  # Visually lossless, near enough.
_GOP = 10  # Frames between keyframes: small files; nobody seeks in these.
_HOLD_SECONDS = 0.5  # The last frame of an episode stays for so long.
_GREEN, _RED = (40, 200, 80), (220, 50, 40)


class Film(subscriber.Subscriber):
    """Keeps the camera's frames of the first episodes. Every episode ends on a frame with a border: `mark` says which."""

    def __init__(self, num_episodes: int):
        """Keeps the first `num_episodes` episodes that are run."""
        self.episodes: list[np.ndarray] = []  # Each uint8 [T, H, W, 3].
        self._num_episodes = num_episodes
        self._frames: list[np.ndarray] = []

    def on_episode_start(self) -> None:
        self._frames = []

    def on_step(self, observation: dict, action: dict) -> None:
        if len(self.episodes) < self._num_episodes:
            image = next(iter(observation["images"].values()))
            self._frames.append(np.moveaxis(image, 0, -1))

    def on_episode_end(self) -> None:
        if self._frames:
            self.episodes.append(np.stack(self._frames))


def mark(frame: np.ndarray, *, success: bool) -> np.ndarray:
    """Returns a copy of `frame` [H, W, 3] with a green border for success, else a red one."""
    width = max(2, frame.shape[0] // 40)
    marked = np.empty_like(frame)
    marked[:] = _GREEN if success else _RED
    marked[width:-width, width:-width] = frame[width:-width, width:-width]
    return marked


def write_mp4(path: pathlib.Path, episodes: list[np.ndarray], successes: list[bool], *, fps: float) -> None:
    """Writes the episodes, each uint8 [T, H, W, 3], one after the other, at the speed they ran."""
    height, width = episodes[0].shape[1:3]
    encoding = video.Encoding(fps, height, width, crf=_CRF, gop=_GOP)
    file = video.VideoFile(path, encoding)
    try:
        for frames, success in zip(episodes, successes, strict=True):
            encoder = video.EpisodeEncoder(encoding)
            for frame in frames:
                encoder.add(frame)
            for _ in range(_held(fps)):
                encoder.add(mark(frames[-1], success=success))
            file.append(encoder.finish())
    finally:
        file.close()


def path(folder: pathlib.Path, task: str, number: int) -> pathlib.Path:
    """Where the film of an episode stands in a folder of films."""
    return folder / f"{re.sub(r'[^a-z0-9]+', '_', task.lower())}_{number:04d}.mp4"


def read_mp4(path: pathlib.Path, *, fps: float) -> np.ndarray:
    """Returns the frames of a film of one episode, uint8 [T, H, W, 3], without those of its mark."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])[: -_held(fps)]


def write_strip(path: pathlib.Path, episodes: list[np.ndarray], successes: list[bool], *, columns: int = 6) -> None:
    """Writes a PNG: a row an episode, `columns` frames from its start to its end, the last one marked."""
    gap = 4
    rows = []
    for frames, success in zip(episodes, successes, strict=True):
        chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, columns).round().astype(int)]
        chosen[-1] = mark(chosen[-1], success=success)
        rows.append([np.pad(frame, ((0, gap), (0, gap), (0, 0)), constant_values=255) for frame in chosen])
    strip = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)[:-gap, :-gap]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(strip).save(path, optimize=True)


def _held(fps: float) -> int:
    """How many frames the mark of an episode lasts."""
    return max(1, round(_HOLD_SECONDS * fps))
