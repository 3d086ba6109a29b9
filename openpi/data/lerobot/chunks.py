"""Chunks of rows: what a feature with `delta_timestamps` gives around a frame, clamped to the frame's episode."""

from collections.abc import Sequence

import numpy as np

from openpi.data.lerobot import decoder


class Offsets:
    """The rows of a chunk, relative to its frame. `H` is their number."""

    def __init__(self, key: str, times: Sequence[float], fps: float) -> None:
        """Args:
          key: the feature, for messages.
          times: seconds relative to the frame.
          fps: of the dataset.

        Raises:
          ValueError: a time is no multiple of 1/fps.
        """
        frames = np.asarray(times, np.float64) * fps
        offsets = np.rint(frames)
        usable = offsets.ndim == 1 and len(offsets) and np.all(np.isfinite(offsets))
        if not usable or np.any(np.abs(frames - offsets) / fps > decoder.TOLERANCE_S):
            raise ValueError(f"delta_timestamps of {key!r} must be multiples of 1/{fps:g} s, and are {list(times)}")
        if np.abs(offsets).max() > 1e9:
            raise ValueError(f"delta_timestamps of {key!r} go up to {np.abs(times).max():g} s: none reaches so far")
        self.values = offsets.astype(np.int64)
        self._first, self._last = int(self.values.min()), int(self.values.max())
        self._consecutive = bool(np.all(np.diff(self.values) == 1))

    def rows(self, row: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one chunk.

        Args:
          row: its frame.
          start: the first row of the frame's episode.
          stop: the row after its last.

        Returns:
          (int64 [H] rows inside the episode, those outside being its nearest frame; bool [H] which were outside).
        """
        rows = row + self.values
        if start <= row + self._first and row + self._last < stop:
            return rows, np.zeros(len(rows), np.bool_)
        return np.minimum(np.maximum(rows, start), stop - 1), (rows < start) | (rows >= stop)

    def take(self, column: np.ndarray, row: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """One chunk of a column [N, ...]: (its values [H, ...], bool [H] which are padding)."""
        if self._consecutive and start <= row + self._first and row + self._last < stop:
            return column[row + self._first : row + self._last + 1].copy(), np.zeros(len(self.values), np.bool_)
        rows, is_pad = self.rows(row, start, stop)
        return column[rows], is_pad

    def take_many(
        self, column: np.ndarray, rows: np.ndarray, start: np.ndarray, stop: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The chunks of many frames.

        Args:
          column: [N, ...].
          rows: int64 [n].
          start: int64 [n], of the episode of each.
          stop: int64 [n].

        Returns:
          ([n, H, ...] values, bool [n, H] which are padding).
        """
        length = len(self.values)
        wanted = rows[:, None] + self.values
        is_pad = (wanted < start[:, None]) | (wanted >= stop[:, None])
        np.clip(wanted, start[:, None], stop[:, None] - 1, out=wanted)
        if not self._consecutive or length > len(column):
            return column[wanted], is_pad
        # Whole windows are copied at the speed of memory; only those at an episode's end are put together row by row.
        windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(column, length, axis=0), -1, 1)
        chunks = windows[np.clip(rows + self._first, 0, len(windows) - 1)]
        cut = np.flatnonzero(is_pad.any(axis=1))
        chunks[cut] = column[wanted[cut]]
        return chunks, is_pad
