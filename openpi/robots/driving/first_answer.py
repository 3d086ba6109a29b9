"""Asks a server once before anything moves: is its policy one of this robot?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openpi.client import base_policy, robot_description, robot_observation


def check(
    policy: base_policy.BasePolicy,
    metadata: Mapping[str, Any],
    observation: dict,
    *,
    names: Sequence[str],
    action_horizon: int,
) -> None:
    """Lets the policy answer an observation, which also lets it compile, and looks at both.

    Args:
      policy: who is asked; its actions must be [action_horizon or more, len(names)].
      metadata: what the server says of itself.
      observation: one of the robot.
      names: of the numbers of the robot's actions.
      action_horizon: how many actions of a chunk will be played.

    Raises:
      ValueError: the policy is of another robot, or the observation not as its own robot's.
    """
    if "robot" in metadata:
        robot = robot_description.from_dict(metadata["robot"])
        if len(robot.actions) != len(names):
            raise ValueError(
                f"the server's policy is for a robot {robot.name!r} of {len(robot.actions)} actions ({', '.join(robot.actions)}), "
                f"and this one has {len(names)} ({', '.join(names)}): serve a checkpoint of this robot"
            )
        robot_observation.check_observation(robot, observation)
    actions = np.asarray(policy.infer(observation).get("actions"))
    if actions.ndim != 2 or actions.shape[1] != len(names):
        raise ValueError(
            f"the server's actions are {actions.dtype} {list(actions.shape)}, and this robot takes [steps, {len(names)}] "
            f"({', '.join(names)}): serve a checkpoint of this robot"
        )
    if len(actions) < action_horizon:
        raise ValueError(f"the server's chunks have {len(actions)} actions: lower --action_horizon={action_horizon}")
    if actions.dtype.kind not in "fiu" or not np.isfinite(actions).all():
        raise ValueError(f"the server's actions are not finite numbers ({actions.dtype}): look at its checkpoint")
