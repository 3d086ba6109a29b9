"""The state as integers, for prompts that spell it out."""

import numpy as np

_LEFT_EDGES = np.linspace(-1, 1, 256 + 1)[:-1]


def discretize(state: np.ndarray) -> np.ndarray:
    """Returns the bin of each normalized value: int64 of the state's shape.

    256 bins cover [-1, 1]; values above fall into bin 255, values below into -1 (published behaviour, not clipped).
    """
    return np.digitize(state, bins=_LEFT_EDGES) - 1
