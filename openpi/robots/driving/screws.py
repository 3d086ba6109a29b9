"""Where a point of an arm is, from the lines that its joints turn about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Screw(NamedTuple):
    """A joint's line while all joints are 0: a point on it, metres, and its direction, of length 1."""

    point: tuple[float, float, float]
    axis: tuple[float, float, float]


def position(screws: Sequence[Screw], tip: Sequence[float], joints: np.ndarray) -> np.ndarray:
    """Where the tip is, [3].

    Args:
      screws: from the base to the hand; J of them.
      tip: where it is while all joints are 0, in the base's frame, metres.
      joints: [J], radians.
    """
    place = np.asarray(tip, dtype=np.float64)
    for screw, angle in zip(reversed(screws), reversed(np.asarray(joints, np.float64))):
        arm, axis = place - screw.point, np.asarray(screw.axis)
        place = screw.point + (
            arm * np.cos(angle) + np.cross(axis, arm) * np.sin(angle) + axis * (axis @ arm) * (1 - np.cos(angle))
        )
    return place
