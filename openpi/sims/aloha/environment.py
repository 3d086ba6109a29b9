"""A task of the simulated robot as the runtime drives it, in policy steps of 0.1 s.

An episode succeeds when, all through its last half second, the scene lacks no more of what was asked for than the task's
tolerance.
"""

import numpy as np

from openpi.runtime import environment as environment_lib
from openpi.sims.aloha import camera as camera_lib
from openpi.sims.aloha import kinematics
from openpi.sims.aloha import scene as scene_lib
from openpi.sims.aloha import task as task_lib

POLICY_HZ = 10
CONTROL_STEPS = round(1 / (POLICY_HZ * scene_lib.CONTROL_SECONDS))  # 50 Hz control steps a policy step
HELD_STEPS = 5  # the last half second, over which success is judged
HOME = np.array([0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 0.1] * 2)  # both arms up, grippers nearly closed
# gym-aloha's own range for the cube of its transfer task, metres; the cube starts on the table.
CUBE_LOW, CUBE_HIGH = (np.array([*corner, scene_lib.CUBE_ON_TABLE]) for corner in ((0.0, 0.4), (0.2, 0.6)))
START_SPREAD = 0.1  # radians: the right arm starts this near home, uniformly, in each joint but the wrist's rolls
SPLITS = {"train": 0, "test": 1}


class AlohaEnvironment(environment_lib.Environment):
    """A task as the runtime drives it.

    Episode `e` of seed `s` always starts the same, in every task, and no episode of one split is one of the other.
    """

    def __init__(
        self,
        task: task_lib.Task,
        *,
        seed: int = 0,
        split: str = "test",
        height: int = 224,
        width: int = 224,
        render: bool = True,
    ) -> None:
        """Builds the scene; the camera opens with the first image.

        Args:
            task: what is asked for.
            seed: chooses the sequence of episodes.
            split: "train" (what the recorder demonstrates) or "test" (what a policy is judged on).
            height: of the image, pixels.
            width: of the image, pixels.
            render: False leaves "images" out of the observations (and needs no EGL).
        """
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is none of {sorted(SPLITS)}")
        self.task = task
        self.scene = scene_lib.Scene()
        self._seed, self._split = seed, split
        self._size = {"height": height, "width": width}
        self._render = render
        self._camera: camera_lib.Camera | None = None
        self._next_episode = 0
        self._distances: list[float] = []
        self._broken = False

    def reset(self, *, episode: int | None = None) -> None:
        """Starts the given episode, or the next one."""
        episode = self._next_episode if episode is None else episode
        self._next_episode = episode + 1
        rng = np.random.default_rng([SPLITS[self._split], self._seed, episode])
        joints = HOME.copy()
        joints[kinematics.JOINT_INDICES["right"]] += rng.uniform(-START_SPREAD, START_SPREAD, 4)
        self.scene.reset(joints, rng.uniform(CUBE_LOW, CUBE_HIGH))
        self._distances = []
        self._broken = False

    def is_episode_complete(self) -> bool:
        """After the task's steps, or when the physics broke."""
        return self._broken or len(self._distances) >= self.task.episode_steps

    def get_observation(self) -> dict:
        """{"state": float32 [14], "images": {"cam_high": uint8 [3, H, W]}, "prompt": text}."""
        observation = {"state": self.scene.joints(), "prompt": self.task.prompts[0]}
        if self._render:
            observation["images"] = {scene_lib.CAMERA: self._image().transpose(2, 0, 1)}
        return observation

    def apply_action(self, action: dict) -> None:
        """Holds `action["actions"]` [14], absolute joint targets, for 0.1 s. An unstable simulation ends the episode."""
        targets = np.asarray(action["actions"], np.float64)
        if targets.shape != (14,):
            raise ValueError(f'action["actions"] has shape {targets.shape}; the two arms need (14,)')
        try:
            self.scene.step(targets, control_steps=CONTROL_STEPS)
        except scene_lib.PhysicsError:
            self._broken = True
        self._distances.append(float("inf") if self._broken else self.task.shortfall(self.scene))

    def distance(self) -> float:
        """Largest shortfall over the last half second, metres; infinite before the first step."""
        return max(self._distances[-HELD_STEPS:], default=float("inf"))

    def success(self, tolerance: float | None = None) -> bool:
        """Whether a complete episode ended, and stayed, within `tolerance` metres of what was asked for (the task's if None)."""
        tolerance = self.task.tolerance if tolerance is None else tolerance
        return not self._broken and len(self._distances) >= self.task.episode_steps and self.distance() <= tolerance

    def close(self) -> None:
        """Frees the OpenGL context."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _image(self) -> np.ndarray:
        if self._camera is None:
            self._camera = camera_lib.Camera(self.scene, **self._size)
        return self._camera.render()
