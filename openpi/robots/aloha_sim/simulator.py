"""gym-aloha's simulation of two ALOHA arms as the runtime's environment, or a stand-in of the same interface."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from openpi.client import image_tools
from openpi.runtime import gym_environment

TASK = "gym_aloha/AlohaTransferCube-v0"
IMAGE_SIZE = 224  # pixels, square
HZ = 50
MAX_EPISODE_STEPS = 300  # gym-aloha's own
_ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate", "gripper")
JOINTS = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in _ARM)


def make(task: str = TASK) -> Any:
    """gym-aloha's environment of a task; it renders without a screen, through EGL.

    Raises:
      RuntimeError: gym-aloha or gymnasium is not installed.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import gym_aloha  # noqa: F401 - registers its tasks; only here: a dry run does without
    except ImportError as error:
        raise RuntimeError(
            f"the simulation needs gym-aloha ({error}): pip install -r openpi/robots/aloha_sim/requirements.txt, or try "
            "--dry_run"
        ) from None
    return gym_environment.make(task, obs_type="pixels_agent_pos")


def observe(observation: dict) -> dict:
    """What the policy sees: `state` [14], `images/cam_high` uint8 [3, 224, 224] with its proportions kept."""
    top = image_tools.resize_with_pad(observation["pixels"]["top"], IMAGE_SIZE, IMAGE_SIZE)
    return {"state": observation["agent_pos"], "images": {"cam_high": top.transpose(2, 0, 1)}}


def picture(observation: dict) -> np.ndarray:
    """The frame of a film, uint8 [H, W, 3]: what the policy saw."""
    return observation["images"]["cam_high"].transpose(1, 2, 0)


class _Joints:
    """The space of the stand-in's actions."""

    shape, dtype = (len(JOINTS),), np.dtype(np.float32)


class StandIn:
    """Arms that are at once where they are told, seen by a test picture; there is no cube, so that no episode succeeds."""

    action_space = _Joints()

    def reset(self, *, seed: int) -> tuple[dict, dict]:
        self._joints, self._steps = np.random.default_rng(seed).normal(0, 0.1, len(JOINTS)), 0
        return self._observation(), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self._joints, self._steps = action.astype(np.float64), self._steps + 1
        return self._observation(), 0.0, False, self._steps >= MAX_EPISODE_STEPS, {"is_success": False}

    def close(self) -> None:
        return

    def _observation(self) -> dict:
        rows, columns = np.mgrid[:480, :640]
        blue = np.full_like(rows, self._steps % 256)
        top = np.stack([rows * 255 // 480, columns * 255 // 640, blue], axis=-1).astype(np.uint8)
        return {"pixels": {"top": top}, "agent_pos": self._joints.copy()}
