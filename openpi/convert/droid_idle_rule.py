"""Which steps of a DROID episode are worth learning from: those where the robot does not stand still.

Source: how the published ranges of DROID 1.0.1 were made.
"""

import numpy as np

IDLE_CHANGE = 1e-3  # below it, in every joint's commanded velocity from one step to the next, a step is idle
MIN_IDLE_STEPS = 7  # shorter pauses are kept
MIN_STEPS = 16  # shorter ranges are not
END_STEPS = 10  # cut off at the end of a range: chunks from there on would be mostly idle


def ranges(joint_velocity: np.ndarray) -> list[list[int]]:
    """The ranges [start, end) of an episode that are kept.

    Args:
      joint_velocity: the actions, [T, joints].
    """
    change = np.abs(np.diff(joint_velocity.astype(np.float64), axis=0))
    idle = np.zeros(len(joint_velocity), bool)
    idle[1:] = np.all(change < IDLE_CHANGE, axis=1)
    kept = np.ones_like(idle)
    for start, stop in _runs(idle):
        if stop - start >= MIN_IDLE_STEPS:
            kept[start:stop] = False
    return [[start, stop - END_STEPS] for start, stop in _runs(kept) if stop - start >= MIN_STEPS]


def _runs(flags: np.ndarray) -> list[list[int]]:
    """[start, stop) of each run of True in bool [T]."""
    edges = np.flatnonzero(np.diff(np.pad(flags, 1).astype(np.int8)))
    return edges.reshape(-1, 2).tolist()
