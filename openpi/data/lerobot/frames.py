"""Where a dataset's images come from: the encoded files, a cache of decoded frames, or nowhere."""

import io
import os
import threading
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import PIL.Image

from openpi.data.lerobot import decoder, json_text, parquet_file
from openpi.data.lerobot import episodes as lerobot_episodes
from openpi.data.lerobot import info as lerobot_info

_MODES = ("RGB", "RGBA", "P", "L", "LA", "1")  # of Pillow; depth of 16 bits would be cut off at 255


class FrameSource(Protocol):
    """Must be picklable, and safe to use from several threads."""

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        """The images of camera `key` at the dataset's `rows` (int [n]): uint8 `[n, H, W, 3]`, perhaps read-only."""


class PlaceholderFrames:
    """A black pixel for every image: for reading everything else quickly."""

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), 1, 1, 3), np.uint8)


class EncodedFrames:
    """Decodes from the dataset's own files: mp4 for dtype "video", PNG inside parquet for dtype "image"."""

    def __init__(
        self,
        features: Mapping[str, lerobot_info.Feature],
        episodes: lerobot_episodes.Episodes,
        timestamp: np.ndarray,
    ) -> None:
        self._features, self._episodes, self._timestamp = features, episodes, timestamp
        self._decoder = decoder.Decoder()
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_local"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        feature = self._features[key]
        out = np.empty((len(rows), *feature.image_size, 3), np.uint8)
        read = self._video_frame if feature.dtype == "video" else self._png_frame
        for place in np.argsort(rows, kind="stable"):  # in the files' order, which decodes on rather than seeks
            read(key, int(rows[place]), out[place])
        return out

    def _video_frame(self, key: str, row: int, out: np.ndarray) -> None:
        episode = self._episodes.of_row(row)
        spans = self._episodes.videos[key]
        stamp = float(self._timestamp[row])
        tolerance = decoder.TOLERANCE_S + float(np.spacing(np.float32(stamp)))  # timestamps are float32
        try:
            self._decoder.frame(spans.path(episode), spans.from_timestamp[episode] + stamp, tolerance, out)
        except FileNotFoundError as error:
            hint = "config.data.skip_bad_episodes=True leaves such episodes out"
            raise FileNotFoundError(f"{self._episodes.name(row)}: {error} ({hint})") from error
        except ValueError as error:
            raise ValueError(f"{self._episodes.name(row)}: {error}") from error

    def _png_frame(self, key: str, row: int, out: np.ndarray) -> None:
        episode = self._episodes.of_row(row)
        first, column = self._row_group(key, episode, row)
        where = f"{self._episodes.name(row)} ({self._episodes.files[self._episodes.file[episode]]}): image {key!r}"
        data = column[row - first].as_py()
        if not isinstance(data, dict) or not isinstance(data.get("bytes"), bytes):
            raise ValueError(f"{where} is not inside the parquet file: {json_text.AGAIN}")
        try:
            with PIL.Image.open(io.BytesIO(data["bytes"]), formats=["PNG", "JPEG"]) as image:
                if image.mode not in _MODES:
                    raise ValueError(
                        f"{where} is of mode {image.mode}, and only colours of 8 bits can be read: {json_text.AGAIN}"
                    )
                if image.size != (out.shape[1], out.shape[0]):
                    raise ValueError(
                        f"{where} is {image.size[1]}x{image.size[0]} (height x width), and info.json says "
                        f"{out.shape[0]}x{out.shape[1]}"
                    )
                out[:] = np.asarray(image.convert("RGB"))
        except (
            OSError,
            SyntaxError,
            PIL.Image.DecompressionBombError,
        ) as error:  # Pillow reports broken files by either
            raise ValueError(f"{where} cannot be decoded ({error}): {json_text.AGAIN}") from error

    def _row_group(self, key: str, episode: int, row: int) -> tuple[int, Any]:
        """(row of the dataset, column): the row group with `row` begins there. A thread keeps each camera's latest."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.groups = os.getpid(), {}
        file = int(self._episodes.file[episode])
        of_file, first, column = self._local.groups.get(key, (None, 0, ()))
        row_in_file = int(self._episodes.file_row[episode] + row - self._episodes.start[episode])
        if of_file != file or not first <= row_in_file < first + len(column):
            where = f"episode {self._episodes.index[episode]}"
            first, column = parquet_file.read(
                self._episodes.files[file], lambda opened: parquet_file.row_group_of(opened, row_in_file, key), where
            )
            self._local.groups[key] = file, first, column
        return row - row_in_file + first, column
