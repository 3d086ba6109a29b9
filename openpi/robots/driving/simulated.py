"""Stands in for a robot in a dry run: joints that follow commands with a lag, cameras that show test pictures."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from openpi.robots.driving import driver

_LAG_SECONDS = 0.05


class SimulatedDriver:
    """Kinematics only: no weight, no contact. Each command takes one period of time, whatever the clock says."""

    def __init__(
        self,
        joints: Sequence[float],
        cameras: Mapping[str, tuple[int, int]],
        *,
        hz: float,
        target: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda joints, command: command,
    ) -> None:
        """A robot that stands still.

        Args:
          joints: [J], as it measures them.
          cameras: name → (rows, columns).
          hz: commands a second.
          target: (joints, command) → where the command leads, as the robot measures it.
        """
        self._joints = np.array(joints, dtype=np.float64)
        self._pictures = {name: _picture(name, *size) for name, size in cameras.items()}
        self._gain = 1 - math.exp(-1 / (hz * _LAG_SECONDS))
        self._target = target
        self._readings = 0

    def read(self) -> driver.Reading:
        self._readings += 1
        shift = 4 * self._readings
        images = {name: np.roll(picture, shift, axis=1) for name, picture in self._pictures.items()}
        return driver.Reading(self._joints.copy(), images)

    def command(self, targets: np.ndarray) -> None:
        goal = self._target(self._joints, np.asarray(targets, np.float64))
        if goal.shape != self._joints.shape or not np.isfinite(goal).all():
            raise ValueError(f"a command leads to {goal}, and the robot has {len(self._joints)} joints")
        self._joints += self._gain * (goal - self._joints)

    def close(self) -> None:
        """There is nothing to leave."""


def _picture(name: str, rows: int, columns: int) -> np.ndarray:
    """Slanted stripes in a colour of the camera's own, uint8 [rows, columns, 3]; they move from reading to reading."""
    colour = np.array([zlib.crc32(f"{name}{channel}".encode()) % 200 + 56 for channel in range(3)])
    bright = (np.add.outer(np.arange(rows), np.arange(columns)) % 64) / 63
    return (bright[..., None] * colour).astype(np.uint8)
