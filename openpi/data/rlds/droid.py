"""The DROID dataset in its RLDS release: one frame with a chunk of actions, read in any order.

Source: the training data of the released DROID models. There a camera and an instruction are drawn for each pass over an
episode; here for each frame that is read, which gives every frame the same distribution and the batches more variety.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from openpi.data.rlds import episode as rlds_episode
from openpi.data.rlds import frame_ranges, image_decode, index_build, tfds_info

FPS = 15
ACTION_SPACES = ("joint_position", "joint_velocity")
LAYOUT = rlds_episode.Layout(
    tables=(
        ("observation/joint_position", 7),
        ("observation/gripper_position", 1),
        ("action_dict/joint_position", 7),
        ("action_dict/joint_velocity", 7),
        ("action_dict/gripper_position", 1),
    ),
    images=(
        "observation/exterior_image_1_left",
        "observation/exterior_image_2_left",
        "observation/wrist_image_left",
    ),
    texts=("language_instruction", "language_instruction_2", "language_instruction_3"),
    metadata=("episode_metadata/recording_folderpath", "episode_metadata/file_path"),
)
_EXTERIOR, _WRIST = LAYOUT.images[:2], LAYOUT.images[2]
_STATE = ("observation/joint_position", "observation/gripper_position")


class Episodes(NamedTuple):
    """The rows of each episode that has any: int64 [E] each."""

    start: np.ndarray
    stop: np.ndarray


class DroidDataset:
    """Frames of DROID, filtered; what is drawn at random follows from the generator given. It may be pickled.

    An item has `observation/image` (an exterior camera, the first or the second with equal chance) and
    `observation/wrist_image`, uint8 [3, H, W]; `observation/joint_position` [7], `observation/gripper_position` [1],
    `actions` [T, 8] and `actions_is_pad` [T], steps behind the episode's end being its last; and `prompt`, also called
    `task`: one of the three instructions (an empty one is as likely).
    """

    fps = FPS

    def __init__(
        self,
        folder: str | pathlib.Path,
        index_dir: str | pathlib.Path,
        *,
        action_horizon: int,
        action_space: str = "joint_position",
        ranges: str | pathlib.Path | None = None,
        only_success: bool = True,
        check_data: bool = True,
    ) -> None:
        """Args:
          folder: <data_dir>/<name>/<version>.
          index_dir: where indices are kept; this dataset's is made at the first opening, see `index_build`.
          action_horizon: `T`, steps of a chunk, the frame's own first.
          action_space: the joints' actions: "joint_position" or "joint_velocity". The gripper's is its position.
          ranges: a JSON file of the frames to keep; None keeps all.
          only_success: leave out episodes that failed.
          check_data: verify all checksums when the index is made.

        Raises:
          FileNotFoundError: the dataset, a file of it, or `ranges` is not there.
          ValueError: one of them is damaged, the arguments make no sense, or no frame is left.
        """
        if action_space not in ACTION_SPACES:
            raise ValueError(f"action_space is {action_space!r}, expected one of {', '.join(ACTION_SPACES)}")
        if action_horizon < 1:
            raise ValueError(f"action_horizon is {action_horizon}, and must be at least 1")
        self.root = pathlib.Path(folder)
        self._open_again = functools.partial(
            DroidDataset,
            folder,
            index_dir,
            action_horizon=action_horizon,
            action_space=action_space,
            ranges=ranges,
            only_success=only_success,
            check_data=check_data,
        )
        table = None if ranges is None else frame_ranges.load(pathlib.Path(ranges))
        info = tfds_info.load(self.root)
        self._index = index_build.open_or_build(info, LAYOUT, pathlib.Path(index_dir), check_data=check_data)
        self._shapes = {key: info.features[rlds_episode.STEPS + key].shape for key in LAYOUT.images}
        self._offsets = np.arange(action_horizon)
        self._actions = (f"action_dict/{action_space}", "action_dict/gripper_position")
        self._rows = frame_ranges.usable_rows(self._index, ranges=table, only_success=only_success)
        if not len(self._rows):
            raise ValueError(
                f"dataset {self.root}: none of its {len(self._index)} frames is left after filtering"
                + (" by success" if only_success else "")
                + (f" by the ranges of {ranges}" if ranges is not None else "")
            )
        edges = np.searchsorted(self._rows, np.append(self._index.start, self._index.stop[-1]))
        used = edges[1:] > edges[:-1]
        self.episodes = Episodes(edges[:-1][used], edges[1:][used])

    def __reduce__(self) -> tuple:
        return self._open_again, ()

    @property
    def tasks(self) -> list[str]:
        """All instructions of the release, each once."""
        return self._index.texts

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`sample` with a generator that follows from the frame."""
        return self.sample(index, np.random.default_rng(self._row(index)))

    def sample(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """One frame, its exterior camera and instruction drawn with `rng`."""
        row = self._row(index)
        exterior = _EXTERIOR[rng.integers(len(_EXTERIOR))]
        text = self._index.text[row, rng.integers(len(LAYOUT.texts))]
        tables = {key: values[0] for key, values in self.read_tables(np.array([index])).items()}
        for key, values in tables.items():
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{self._index.where(row)}: {key!r} holds a value that is not finite: leave its frames out of the ranges of "
                    "the dataset's filter"
                )
        prompt = self._index.texts[text]
        return {
            "observation/image": self._image(row, exterior),
            "observation/wrist_image": self._image(row, _WRIST),
            **tables,
            "prompt": prompt,
            "task": prompt,
        }

    def read_tables(self, rows: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """What is no image and no text of the frames `rows` (int [n]): float32 [n, ...], `actions_is_pad` bool."""
        rows = np.asarray(rows, np.int64)
        if rows.ndim != 1 or np.any((rows < 0) | (rows >= len(self))):
            raise IndexError(f"rows must be int [n] from 0 to {len(self) - 1}, and are {rows.tolist()!s:.80}")
        at = self._rows[rows]
        steps = at[:, None] + self._offsets
        last = self._index.stop[self._index.episode_of(at)][:, None] - 1
        chunk = np.minimum(steps, last)
        tables = {key: self._index.column(key)[at] for key in _STATE}
        actions = np.concatenate([self._index.column(key)[chunk] for key in self._actions], axis=-1)
        return tables | {"actions": actions, "actions_is_pad": steps > last}

    def _row(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a dataset of {len(self)} frames")
        return int(self._rows[index])

    def _image(self, row: int, camera: str) -> np.ndarray:
        try:
            image = image_decode.decode(self._index.read_image(row, camera), self._shapes[camera])
        except ValueError as error:
            raise ValueError(f"{self._index.where(row)}: {camera}: {error}") from None
        return image.transpose(2, 0, 1)
