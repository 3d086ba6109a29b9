"""What is where in an RLDS dataset: random access to every step of every episode."""

import json
import pathlib

import numpy as np

from openpi.data.rlds import episode as rlds_episode
from openpi.data.rlds import tfds_info


class Index:
    """`N` steps of `E` episodes: arrays mapped into memory, made by `index_build`. It may be pickled."""

    def __init__(self, folder: pathlib.Path, info: tfds_info.Info, layout: rlds_episode.Layout) -> None:
        """Raises ValueError if a file of it is damaged."""
        self.folder, self.info, self.layout = folder, info, layout
        try:
            self.tables = self._load("tables")  # float32 [N, W]
            self.image_start = self._load("image_start")  # int64 [N, C], bytes from the file's beginning
            self.image_size = self._load("image_size")  # int32 [N, C], bytes
            self.text = self._load("text")  # int32 [N, K], of `texts`
            # int64 [E] each: the episode's first row and the one behind its last, its file, and its record there
            self.start, self.stop, self.file, self.record = np.array(self._load("episodes")).T
            described = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"the index in {folder} is damaged ({error}): remove that folder, it is made anew"
            ) from error
        self.texts: list[str] = described["texts"]
        self.metadata: list[list[str]] = described["metadata"]  # of each episode, in the layout's order

    def __reduce__(self) -> tuple:
        return Index, (self.folder, self.info, self.layout)

    def __len__(self) -> int:
        return len(self.tables)

    def column(self, name: str) -> np.ndarray:
        """A table of all steps: float32 [N, width]."""
        return self.tables[:, self.layout.columns(name)]

    def episode_of(self, rows: np.ndarray | int) -> np.ndarray:
        """The episodes of these rows: int64, shaped as `rows`."""
        return np.searchsorted(self.stop, rows, side="right")

    def where(self, row: int) -> str:
        """Episode, file and step of a row, for errors."""
        episode = int(self.episode_of(row))
        file = self.info.files[self.file[episode]]
        return f"episode {episode} (record {self.record[episode]} of {file}), step {row - self.start[episode]}"

    def read_image(self, row: int, camera: str) -> bytes:
        """The encoded image of a camera at a row.

        Raises:
          OSError: the file cannot be read.
          ValueError: it became shorter since it was indexed.
        """
        column = self.layout.images.index(camera)
        start, size = int(self.image_start[row, column]), int(self.image_size[row, column])
        path = self.info.files[self.file[self.episode_of(row)]]
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            data = file.read(size)
        if len(data) < size:
            raise ValueError(f"{self.where(row)}: {camera}: the file ends within the image: fetch that file again")
        return data

    def _load(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
