"""What a program needs of a robot: the border between our code and its hardware, or what stands in for it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np


class Reading(NamedTuple):
    """What a robot measures: `joints` [J] in its own units and order, `images`: camera → uint8 [H, W, 3]."""

    joints: np.ndarray
    images: dict[str, np.ndarray]


class Driver(Protocol):
    """An open robot. Called from one thread."""

    def read(self) -> Reading:
        """Returns what it measures now; waits for new images. Raises RuntimeError if the robot is gone."""

    def command(self, targets: np.ndarray) -> None:
        """Sends the numbers of one step, and returns before they are reached."""

    def close(self) -> None:
        """Leaves the robot where it is."""
