"""Where a dataset's images come from: the encoded files, a cache of decoded frames, or nowhere."""

import io
import os
import pathlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import PIL.Image

from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import tables, video


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
        root: pathlib.Path,
        info: lerobot_info.Info,
        episodes: tables.Episodes,
        files: Sequence[tables.DataFile],
        timestamp: np.ndarray,
    ) -> None:
        self._root, self._info, self._episodes, self._files, self._timestamp = root, info, episodes, files, timestamp
        self._decoder = video.Decoder()
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_local"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def frames(self, key: str, rows: np.ndarray) -> np.ndarray:
        size = self._info.features[key].image_size
        read = self._video_frame if self._info.features[key].dtype == "video" else self._png_frame
        return np.stack([read(key, int(row), size) for row in rows])

    def _video_frame(self, key: str, row: int, size: tuple[int, int]) -> np.ndarray:
        episode = self._episodes.of_row(row)
        spans = self._episodes.videos[key]
        path = self._root / self._info.video_file(key, int(spans.chunk_index[episode]), int(spans.file_index[episode]))
        stamp = float(self._timestamp[row])
        tolerance = video.TOLERANCE_S + float(np.spacing(np.float32(stamp)))  # timestamps are float32
        try:
            return self._decoder.frames(path, [spans.from_timestamp[episode] + stamp], size, tolerance)[0]
        except (ValueError, FileNotFoundError) as error:
            raise type(error)(f"episode {episode}, frame {row - self._episodes.start[episode]}: {error}") from error

    def _png_frame(self, key: str, row: int, size: tuple[int, int]) -> np.ndarray:
        episode = self._episodes.of_row(row)
        first, column = self._row_group(key, row)
        where = f"episode {episode}, frame {row - self._episodes.start[episode]}: image {key!r}"
        data = column[row - first].as_py()
        if not isinstance(data, dict) or not isinstance(data.get("bytes"), bytes):
            raise ValueError(f"{where} is not inside the parquet file: {tables.AGAIN}")
        try:
            with PIL.Image.open(io.BytesIO(data["bytes"]), formats=["PNG", "JPEG"]) as image:
                if image.size != size[::-1]:
                    raise ValueError(
                        f"{where} is {image.size[1]}x{image.size[0]} (height x width), and info.json says "
                        f"{size[0]}x{size[1]}"
                    )
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError) as error:  # Pillow reports broken files by either
            raise ValueError(f"{where} cannot be decoded ({error}): {tables.AGAIN}") from error

    def _row_group(self, key: str, row: int) -> tuple[int, Any]:
        """(first row, column) of the parquet row group that holds `row`; a thread keeps the latest of each camera."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.groups = os.getpid(), {}
        first, column = self._local.groups.get(key, (0, ()))
        if not first <= row < first + len(column):
            file = next(file for file in self._files if file.start <= row < file.stop)
            where = f"episode {self._episodes.of_row(row)}"
            first, column = tables.read_parquet(
                file.path, lambda opened: tables.row_group_of(opened, row - file.start, key), where
            )
            first += file.start
            self._local.groups[key] = first, column
        return first, column
