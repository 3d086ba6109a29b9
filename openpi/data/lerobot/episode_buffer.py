"""The frames of the episode that is being recorded: checked one by one, images encoded at once."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image

from openpi.data.lerobot import feature_stats, recorded, video
from openpi.data.lerobot import info as lerobot_info


def is_utf8(text: str) -> bool:
    """Whether a file can hold the text: half of a character of two cannot be written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class EpisodeBuffer:
    """Takes frames; holds numbers, texts and encoded images, never pixels."""

    def __init__(
        self, features: Mapping[str, lerobot_info.Feature], encodings: Mapping[str, video.Encoding], episode: int
    ) -> None:
        """Args:
        features: those that a frame has.
        encodings: of the features of dtype "video".
        episode: its number.
        """
        self._features, self._episode = features, episode
        self._columns: dict[str, list[Any]] = {key: [] for key, f in features.items() if f.dtype != "video"}
        self._encoders = {key: video.EpisodeEncoder(encoding) for key, encoding in encodings.items()}
        self.pixels = {key: feature_stats.PixelHistogram() for key, f in features.items() if f.is_image}
        self.length = 0

    def add(self, frame: Mapping[str, Any]) -> None:
        """Adds a frame, wholly or, where something is wrong with it, not at all."""
        if frame.keys() != self._features.keys():
            missing = sorted(self._features.keys() - frame.keys())
            unknown = sorted(frame.keys() - self._features.keys())
            raise ValueError(
                f"frame {self.length} of episode {self._episode}: missing features {missing}, unknown features "
                f"{unknown}"
            )
        values = {key: self._check(key, feature, frame[key]) for key, feature in self._features.items()}
        for key, value in values.items():
            if not self._features[key].is_image:
                self._columns[key].append(value)
                continue
            rgb = value.transpose(1, 2, 0) if self._features[key].channels_first else value
            self.pixels[key].add(rgb)
            if key in self._encoders:
                self._encoders[key].add(rgb)
            else:
                png = io.BytesIO()
                PIL.Image.fromarray(np.ascontiguousarray(rgb)).save(png, format="PNG")
                self._columns[key].append({"bytes": png.getvalue(), "path": f"frame-{self.length:06d}.png"})
        self.length += 1

    def check_complete(self, task: str) -> None:
        """Raises ValueError if there is no frame, or the task is no text."""
        if not self.length:
            raise ValueError(f"episode {self._episode} has no frames: call add_frame before save_episode")
        if not isinstance(task, str) or not task or not is_utf8(task):
            raise ValueError(f"task is {task!r}, and must be a text that UTF-8 can hold")

    def finish(self, task: str, *, task_index: int, start: int, fps: float) -> recorded.Episode:
        """The episode, encoded. Nothing can be added afterwards.

        Args:
          task: its instruction.
          task_index: the number of that.
          start: row of its first frame in the dataset.
          fps: frames a second.
        """
        frame_index = np.arange(self.length)
        columns = {key: self._stack(key, column) for key, column in self._columns.items()} | {
            "timestamp": (frame_index / fps).astype(np.float32),
            "frame_index": frame_index,
            "episode_index": np.full(self.length, self._episode),
            "index": start + frame_index,
            "task_index": np.full(self.length, task_index),
        }
        packets = {key: encoder.finish() for key, encoder in self._encoders.items()}
        return recorded.Episode(self._episode, start, self.length, task, columns, packets, self.pixels)

    def _check(self, key: str, feature: lerobot_info.Feature, value: Any) -> Any:
        where = f"frame {self.length} of episode {self._episode}: feature {key!r}"
        if feature.dtype == "string":
            if not isinstance(value, str) or not is_utf8(value):
                raise ValueError(f"{where} is {type(value).__name__} {value!r:.40}, expected text that UTF-8 can hold")
            return value
        array = np.asarray(value)
        dtype = "uint8" if feature.is_image else feature.dtype
        shape = () if feature.shape == (1,) and array.ndim == 0 else feature.shape
        if array.dtype != dtype or array.shape != shape:
            raise ValueError(f"{where} is {array.dtype} {list(array.shape)}, expected {dtype} {list(feature.shape)}")
        return array if feature.is_image else array.copy()  # images are consumed at once, numbers kept

    def _stack(self, key: str, column: list[Any]) -> Any:
        feature = self._features[key]
        if feature.is_image or feature.dtype == "string":
            return column
        return np.stack(column).reshape(-1 if feature.shape == (1,) else (len(column), *feature.shape))
