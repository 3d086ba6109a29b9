"""A package of LIBERO's interface for tests: a hand on a line, no physics. It stands in another process than the test."""

import pathlib

_BENCHMARK = """
import numpy as np

print("noise of a library on standard output")


class _Task:
    def __init__(self, language):
        self.language = language


class _Suite:
    n_tasks = 2

    def get_task(self, i):
        return _Task(["put the bowl on the plate", "open the drawer"][i])

    def get_task_bddl_file_path(self, i):
        return "/bddl/%d.bddl" % i

    def get_task_init_states(self, i):
        return np.arange(3.0)[:, None] + 10 * i


def get_benchmark_dict():
    return {"libero_spatial": _Suite}
"""
_ENVS = """
import os
import numpy as np


class OffScreenRenderEnv:
    def __init__(self, bddl_file_name, camera_heights, camera_widths):
        self.size, self.bddl = (camera_heights, camera_widths), bddl_file_name
        self.seeded = None

    def seed(self, seed):
        self.seeded = seed

    def reset(self):
        self.position = None

    def set_init_state(self, start):
        self.position = float(start[0]) + self.seeded / 100
        return self._look()

    def step(self, action):
        assert isinstance(action, list) and len(action) == 7
        if action[0] == 13:
            raise ZeroDivisionError("unstable")
        if action[0] == 99:
            os._exit(3)
        print("more noise")
        self.position += action[0]
        return self._look(), 0.0, self.position >= 3, {}

    def close(self):
        pass

    def _look(self):
        return {
            "agentview_image": np.full((*self.size, 3), int(10 * self.position) % 256, np.uint8),
            "robot0_eye_in_hand_image": np.zeros((*self.size, 3), np.uint8),
            "robot0_eef_pos": np.array([self.position, 0, 0]),
            "robot0_eef_quat": np.array([0, 0, 0, 1.0]),
            "robot0_gripper_qpos": np.zeros(2),
            "object-state": object(),
        }
"""


def write(folder: pathlib.Path) -> str:
    """Writes the package into `folder`, and returns that for a Python's path."""
    package = folder / "libero/libero"
    package.mkdir(parents=True)
    (package / "benchmark.py").write_text(_BENCHMARK, encoding="utf-8")
    (package / "envs.py").write_text(_ENVS, encoding="utf-8")
    return str(folder)
