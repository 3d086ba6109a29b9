"""Simulates LIBERO in a Python of its own, told by messages on its standard input: see remote.py, which starts it.

This file runs on Python 3.8, which LIBERO's original pins need; it imports numpy and LIBERO, and of this repository nothing but
messages.py.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from openpi.robots.libero import messages

_SEEN = ("agentview_image", "robot0_eye_in_hand_image", "robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos")


class Libero:
    """A suite, and the environment of the task that is being played."""

    def __init__(self, suite: str, seed: int, render_size: int) -> None:
        benchmark = importlib.import_module("libero.libero.benchmark")
        self._envs = importlib.import_module("libero.libero.envs")
        self._suite = benchmark.get_benchmark_dict()[suite]()
        self._seed, self._render_size = seed, render_size
        self._task = -1
        self._env: Any = None
        self._starts: Any = None

    def tasks(self) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
        """The instructions."""
        return {"tasks": [self._suite.get_task(i).language for i in range(self._suite.n_tasks)]}, {}

    def begin(self, task: int, trial: int) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
        """Puts a task into one of its starts."""
        if task != self._task:
            self._open(task)
        if not 0 <= trial < len(self._starts):
            raise ValueError(f"trial {trial}: the task has {len(self._starts)} starts")
        self._env.reset()
        return {}, _seen(self._env.set_init_state(self._starts[trial]))

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
        """Carries out an action [7]."""
        observation, reward, done, _ = self._env.step(action.tolist())
        return {"reward": float(reward), "done": bool(done)}, _seen(observation)

    def _open(self, task: int) -> None:
        self._task = -1
        if self._env is not None:
            self._env.close()
        self._env = self._envs.OffScreenRenderEnv(
            bddl_file_name=self._suite.get_task_bddl_file_path(task),
            camera_heights=self._render_size,
            camera_widths=self._render_size,
        )
        self._env.seed(self._seed)  # without it objects stand elsewhere, even from the same start
        self._starts = self._suite.get_task_init_states(task)
        self._task = task


def _seen(observation: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    return {name: np.asarray(observation[name]) for name in _SEEN}


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answers every message until there are no more; what goes wrong is an answer, too."""
    libero = None
    while True:
        try:
            fields, arrays = messages.read(asked)
        except EOFError:
            return
        try:
            if fields["command"] == "open":
                libero = Libero(fields["suite"], fields["seed"], fields["render_size"])
                answer = libero.tasks()
            elif libero is None:
                raise ValueError("no suite is open")
            elif fields["command"] == "begin":
                answer = libero.begin(fields["task"], fields["trial"])
            else:
                answer = libero.step(arrays["action"])
        except Exception as error:  # noqa: BLE001 - told to who asked, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}"}, {}
        messages.write(answers, *answer)


def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what LIBERO prints is no answer
    os.environ.setdefault("MUJOCO_GL", "egl")
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
