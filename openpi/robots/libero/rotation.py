"""The attitude of LIBERO's hand as policies know it."""

from __future__ import annotations

import numpy as np


def axis_angle(quaternion: np.ndarray) -> np.ndarray:
    """Axis times angle [3], radians from 0 to 2π, of a unit quaternion [x, y, z, w]; zeros where nothing is turned.

    The same turn has two quaternions, q and -q: they give different vectors, a whole turn apart, as policies were trained.
    """
    w = float(np.clip(quaternion[3], -1.0, 1.0))
    sine = np.sqrt(1.0 - w * w)
    if np.isclose(sine, 0.0):
        return np.zeros(3)
    return np.asarray(quaternion[:3], np.float64) * 2.0 * np.arccos(w) / sine
