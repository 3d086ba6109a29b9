"""The reach task: bring the right fingertip to 4 cm above a cube that lies somewhere in reach, and stay there.

An episode is 25 policy steps of 0.1 s. It succeeds when the fingertip stays within 3 cm of the hover point during the
last half second, for the cube where it then lies (a pushed cube moves the point).
"""

import numpy as np

from openpi.runtime import environment as environment_lib
from openpi.sims.aloha import camera as camera_lib
from openpi.sims.aloha import expert, kinematics
from openpi.sims.aloha import scene as scene_lib

PROMPT = "reach the cube"
POLICY_HZ = 10
CONTROL_STEPS = round(1 / (POLICY_HZ * scene_lib.CONTROL_SECONDS))  # 50 Hz control steps a policy step
EPISODE_STEPS = 25
HELD_STEPS = 5  # the last half second, over which success is judged
TOLERANCE_METRES = 0.03
HOME = np.array([0.0, -0.96, 1.16, 0.0, -0.3, 0.0, 0.1] * 2)  # both arms up, grippers nearly closed
# gym-aloha's own range for the cube of its transfer task, metres; the cube starts on the table.
CUBE_LOW, CUBE_HIGH = np.array([0.0, 0.4, 0.02]), np.array([0.2, 0.6, 0.02])
START_SPREAD = 0.1  # radians: the right arm starts this near home, uniformly, in each joint that the task moves
SPLITS = {"train": 0, "test": 1}


class ReachEnvironment(environment_lib.Environment):
    """The task as the runtime drives it.

    Episode `e` of seed `s` is always the same, and no episode of one split is one of the other.
    """

    def __init__(
        self, *, seed: int = 0, split: str = "test", height: int = 224, width: int = 224, render: bool = True
    ) -> None:
        """Builds the scene; the camera opens with the first image.

        Args:
            seed: chooses the sequence of episodes.
            split: "train" (what the recorder demonstrates) or "test" (what a policy is judged on).
            height: of the image, pixels.
            width: of the image, pixels.
            render: False leaves "images" out of the observations (and needs no EGL).
        """
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is none of {sorted(SPLITS)}")
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
        joints[kinematics.JOINT_INDICES] += rng.uniform(-START_SPREAD, START_SPREAD, 4)
        self.scene.reset(joints, rng.uniform(CUBE_LOW, CUBE_HIGH))
        self._distances = []
        self._broken = False

    def is_episode_complete(self) -> bool:
        """After 25 steps, or when the physics broke."""
        return self._broken or len(self._distances) >= EPISODE_STEPS

    def get_observation(self) -> dict:
        """{"state": float32 [14], "images": {"cam_high": uint8 [3, H, W]}, "prompt": text}."""
        observation = {"state": self.scene.joints(), "prompt": PROMPT}
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
        self._distances.append(float("inf") if self._broken else self._measure())

    def distance(self) -> float:
        """Largest distance of the fingertip from the hover point over the last 0.5 s, metres; inf before the first step."""
        return max(self._distances[-HELD_STEPS:], default=float("inf"))

    def success(self, tolerance: float = TOLERANCE_METRES) -> bool:
        """Whether a complete episode held the hover point."""
        return not self._broken and len(self._distances) >= EPISODE_STEPS and self.distance() <= tolerance

    def close(self) -> None:
        """Frees the OpenGL context."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _measure(self) -> float:
        tip = kinematics.fingertip(self.scene.model, self.scene.data)
        return float(np.linalg.norm(tip - expert.hover_point(self.scene)))

    def _image(self) -> np.ndarray:
        if self._camera is None:
            self._camera = camera_lib.Camera(self.scene, **self._size)
        return self._camera.render()
