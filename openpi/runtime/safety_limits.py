"""What a robot may do, as data, and the nearest to a command that it may do."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# A movement that would leave a workspace is made shorter by halves, at most so often; then the arm stays.
_HALVINGS = 8


@dataclasses.dataclass(frozen=True)
class Joint:
    """What one number of a command may be.

    Attributes:
      name: for people and messages.
      lower, upper: where the joint may go, in the robot's units.
      max_speed: most change in a second; math.inf sets no limit.
      velocity_step: None: the number says where to go. Else it is a velocity: a 1 moves the joint by so much in a step.
    """

    name: str
    lower: float
    upper: float
    max_speed: float = math.inf
    velocity_step: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError if no joint can be so."""
        if not self.lower < self.upper:
            raise ValueError(f"joint {self.name!r}: lower={self.lower:g} must be less than upper={self.upper:g}")
        if not self.max_speed > 0:
            raise ValueError(
                f"joint {self.name!r}: max_speed={self.max_speed:g} must be more than 0; math.inf: no limit"
            )
        if self.velocity_step is not None and not 0 < self.velocity_step < math.inf:
            raise ValueError(f"joint {self.name!r}: velocity_step={self.velocity_step:g} must be more than 0")


@dataclasses.dataclass(frozen=True)
class Workspace:
    """A box that a point of the robot, such as its hand, stays in.

    Attributes:
      name: of the point.
      joints: names of the joints that move it, in the order that `position` takes them.
      position: joints [J] → where the point is, [3] metres.
      lower, upper: corners of the box.
    """

    name: str
    joints: tuple[str, ...]
    position: Callable[[np.ndarray], np.ndarray]
    lower: tuple[float, float, float]
    upper: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Raises ValueError if the box has no inside."""
        if not all(low < high for low, high in zip(self.lower, self.upper)):
            raise ValueError(f"workspace {self.name!r}: lower={self.lower} must be less than upper={self.upper}")


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a robot may do.

    Attributes:
      joints: one for each number of a command, in order.
      hz: commands a second: what is the most that a joint moves from one to the next.
      max_age: seconds after the observation that an action answers, beyond which it is not carried out.
      workspaces: where its points stay.
    """

    joints: tuple[Joint, ...]
    hz: float
    max_age: float
    workspaces: tuple[Workspace, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError if a value makes no sense, or a workspace names a joint that is not there."""
        if not (0 < self.hz < math.inf and self.max_age > 0):
            raise ValueError(f"hz={self.hz:g} and max_age={self.max_age:g} must be more than 0")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"joints must have names of their own, not {', '.join(self.names)}")
        for workspace in self.workspaces:
            if unknown := [name for name in workspace.joints if name not in self.names]:
                raise ValueError(
                    f"workspace {workspace.name!r} names joint {unknown[0]!r}; there are: {', '.join(self.names)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The joints' names, in order."""
        return tuple(joint.name for joint in self.joints)

    def at_speed(self, fraction: float) -> Limits:
        """The same, with joints at most so fast: 0.2 for the first time, 1 as they are."""
        if not 0 < fraction <= 1:
            raise ValueError(f"speed={fraction:g} must be more than 0 and at most 1")
        joints = tuple(dataclasses.replace(joint, max_speed=joint.max_speed * fraction) for joint in self.joints)
        return dataclasses.replace(self, joints=joints)


class Intervention(NamedTuple):
    """Where a command was not carried out as it was given: `limit` ("position", "speed" or "workspace") of `name`."""

    name: str
    limit: str
    text: str


def constrain(limits: Limits, here: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, list[Intervention]]:
    """The nearest to a goal that the robot may go in one step, joint by joint.

    A joint that is outside its range may come back, no faster than its speed allows; a point that is outside its box may move
    as long as it comes no farther from it.

    Args:
      limits: what it may do.
      here: [J] where the joints are, finite.
      goal: [J] where they should go, finite.

    Returns:
      where they go, [J]: equal to the goal where that is within all limits; and what stood in the way.
    """
    interventions = []
    allowed = np.array(goal, dtype=np.float64)
    for index, joint in enumerate(limits.joints):
        inside = min(max(allowed[index], joint.lower), joint.upper)
        step = joint.max_speed / limits.hz
        reached = min(max(inside, here[index] - step), here[index] + step)
        for limit, before, after, value in (
            ("position", allowed[index], inside, joint.upper if inside == joint.upper else joint.lower),
            ("speed", inside, reached, joint.max_speed),
        ):
            if before != after:
                text = f"{joint.name}: {before:g} is beyond its {limit} limit {value:g}; {after:g} is sent"
                interventions.append(Intervention(joint.name, limit, text))
        allowed[index] = reached
    for workspace in limits.workspaces:
        _constrain_point(limits, workspace, here, allowed, interventions)
    return allowed, interventions


def _constrain_point(
    limits: Limits, workspace: Workspace, here: np.ndarray, allowed: np.ndarray, interventions: list[Intervention]
) -> None:
    """Makes the movement of a point's joints so short, in place, that the point stays in its box."""
    indices = [limits.names.index(name) for name in workspace.joints]
    start, goal = np.asarray(here, np.float64)[indices], allowed[indices]
    outside = _distance(workspace, start)
    for halvings in range(_HALVINGS):
        reached = goal if halvings == 0 else start + (goal - start) * 0.5**halvings
        if _distance(workspace, reached) <= outside:
            break
    else:
        reached = start
    if reached is not goal:
        allowed[indices] = reached
        point = ", ".join(f"{value:.3f}" for value in workspace.position(goal))
        text = f"{workspace.name}: ({point}) m is outside its box {workspace.lower} to {workspace.upper}"
        interventions.append(Intervention(workspace.name, "workspace", text))


def _distance(workspace: Workspace, joints: np.ndarray) -> float:
    """How far the point is outside its box, metres; 0 inside."""
    point = np.asarray(workspace.position(joints))
    return float(np.linalg.norm(point - np.clip(point, workspace.lower, workspace.upper)))
