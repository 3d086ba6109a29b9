"""What a policy must beat: one that sees nothing, and one that always does what demonstrations do on average."""

import pathlib

import numpy as np

from openpi.client import base_policy
from openpi.data.lerobot import reader


class BlackImagePolicy(base_policy.BasePolicy):
    """Another policy with its eyes closed: every image is black."""

    def __init__(self, policy: base_policy.BasePolicy):
        self._policy = policy

    def infer(self, obs: dict) -> dict:
        black = {camera: np.zeros_like(image) for camera, image in obs["images"].items()}
        return self._policy.infer({**obs, "images": black})

    def reset(self) -> None:
        self._policy.reset()


class ReplayPolicy(base_policy.BasePolicy):
    """Plays given actions from the start of each episode, one at a time, and holds the last."""

    def __init__(self, actions: np.ndarray):
        """Plays `actions` [T, A]."""
        self._actions = actions
        self._step = 0

    def infer(self, obs: dict) -> dict:
        action = self._actions[min(self._step, len(self._actions) - 1)]
        self._step += 1
        return {"actions": action}

    def reset(self) -> None:
        self._step = 0


def mean_demonstration(root: str | pathlib.Path, key: str = "action") -> np.ndarray:
    """Returns [T, A]: for each step, the mean action of all episodes that last as long. T is the longest's length.

    Args:
      root: a LeRobot dataset.
      key: its feature that holds actions.

    Raises:
      FileNotFoundError, ValueError: as `reader.LeRobotDataset`.
    """
    dataset = reader.LeRobotDataset(root, keys=[key])
    by_step: dict[int, list[np.ndarray]] = {}
    for index in range(len(dataset)):
        row = dataset[index]
        by_step.setdefault(int(row["frame_index"]), []).append(row[key])
    return np.stack([np.mean(by_step[step], axis=0, dtype=np.float64) for step in sorted(by_step)])
