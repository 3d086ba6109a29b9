from typing import NamedTuple

import numpy as np
import pytest

from openpi.data import origin
from openpi.data.origin import Origin


class Episodes(NamedTuple):
    start: np.ndarray
    stop: np.ndarray


class Recorded:
    """Episodes of 3, 4 and 2 frames."""

    def __init__(self, *skipped):
        self.episodes = Episodes(np.array([0, 3, 7]), np.array([3, 7, 9]))
        self.skipped = dict.fromkeys(skipped, "bad")


@pytest.mark.parametrize(
    ("skipped", "row", "episode", "frame"),
    [
        ((), 0, 0, 0),
        ((), 2, 0, 2),
        ((), 3, 1, 0),
        ((), 8, 2, 1),
        ((0,), 0, 1, 0),
        ((1,), 2, 0, 2),
        ((1, 2), 3, 3, 0),
        ((4, 0, 1), 8, 5, 1),
    ],
)
def test_episodes_bear_the_recordings_numbers(skipped, row, episode, frame):
    assert origin.of(5, Recorded(*skipped), row) == Origin(5, episode, frame)


def test_samples_that_are_no_frames():
    assert origin.of(0, [1, 2, 3], 2) == Origin(0, -1, 2)


@pytest.mark.parametrize(
    ("origins", "want"),
    [
        ([Origin(0, 3, 1), Origin(0, 5, 0), Origin(0, 3, 7)], "episode 3 frames 1, 7; episode 5 frame 0"),
        ([Origin(0, 3, 1), Origin(1, 3, 2)], "dataset 0 episode 3 frame 1; dataset 1 episode 3 frame 2"),
        ([Origin(0, -1, 1), Origin(0, -1, 9)], "frames 1, 9"),
        ([Origin(0, 0, i) for i in range(11)], "episode 0 frames 0, 1, 2, 3, 4, 5, 6, 7; and 3 more"),
    ],
)
def test_words(origins, want):
    assert origin.describe(origins) == want
