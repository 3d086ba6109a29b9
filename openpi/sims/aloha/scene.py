"""gym-aloha's two-armed MuJoCo scene with a camera of our own, stepped.

The scene (arms, table, red cube, actuators) is the one of gym-aloha 0.1.5, unchanged; added is one fixed camera,
`cam_high`, that looks at the cube's range from the front, so that a gripper over the cube does not hide it.
Shadows and multisampling are off: they cost ten times the frame and say nothing about where the cube is.
"""

import mujoco
import numpy as np
from gym_aloha import constants

CONTROL_SECONDS = constants.DT  # 50 Hz, the robot's own rate
CUBE_ON_TABLE = 0.02  # height of its centre, metres: the cube is 4 cm wide
CAMERA = "cam_high"
CAMERA_POSITION = (0.1, -0.05, 0.65)  # metres
CAMERA_TARGET = (0.1, 0.5, 0.04)
CAMERA_FOVY = 24.0  # degrees
_CUBE_QPOS = slice(
    16, 23
)  # position [3] and quaternion [4] of the cube's free joint; before it 2 x (6 joints, 2 fingers)
_UNSTABLE = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
    mujoco.mjtWarning.mjWARN_BADCTRL,
)


class PhysicsError(RuntimeError):
    """The simulation became unstable (an action beyond what the physics can follow)."""


class Scene:
    """The scene's model and state.

    A joint vector has 14 entries: for the left arm, then the right, six joint angles in radians and the gripper's
    opening, normalised to 0 (closed) to 1 (open).
    """

    def __init__(self) -> None:
        self.model = _compile()
        self.data = mujoco.MjData(self.model)
        self._substeps = round(CONTROL_SECONDS / self.model.opt.timestep)

    def reset(self, joints: np.ndarray, cube_position: np.ndarray) -> None:
        """Puts both arms at `joints` [14], at rest, and the cube at `cube_position` [3] in metres, unturned."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:16] = _to_actuators(joints)
        self.data.qpos[_CUBE_QPOS] = [*cube_position, 1.0, 0.0, 0.0, 0.0]
        self.data.ctrl[:] = self.data.qpos[:16]
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: np.ndarray, *, control_steps: int) -> None:
        """Holds the joint targets `action` [14] for that many 50 Hz control steps.

        Raises:
            PhysicsError: the simulation became unstable.
        """
        self.data.ctrl[:] = _to_actuators(action)
        mujoco.mj_step(self.model, self.data, nstep=control_steps * self._substeps)
        if not np.isfinite(action).all() or any(self.data.warning[kind].number for kind in _UNSTABLE):
            raise PhysicsError("the simulation became unstable: the action is not finite or moves too far at once")

    def joints(self) -> np.ndarray:
        """Measured joint vector, float32 [14]."""
        qpos = self.data.qpos
        left, right = (
            [*qpos[start : start + 6], constants.normalize_puppet_gripper_position(qpos[start + 6])] for start in (0, 8)
        )
        return np.array([*left, *right], np.float32)

    def cube_position(self) -> np.ndarray:
        """Centre of the cube [3], metres."""
        return self.data.qpos[_CUBE_QPOS][:3].copy()


def _compile() -> mujoco.MjModel:
    spec = mujoco.MjSpec.from_file(str(constants.ASSETS_DIR / "bimanual_viperx_transfer_cube.xml"))
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 0
    camera = spec.worldbody.add_camera()
    camera.name = CAMERA
    camera.pos = CAMERA_POSITION
    camera.fovy = CAMERA_FOVY
    camera.quat = _look_at(np.array(CAMERA_POSITION), np.array(CAMERA_TARGET))
    return spec.compile()


def _look_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Quaternion of a camera, which looks along its -z with +y up."""
    z = (position - target) / np.linalg.norm(position - target)
    x = np.cross([0.0, 0.0, 1.0], z)
    x /= np.linalg.norm(x)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack([x, np.cross(z, x), z], axis=1).ravel())
    return quat


def _to_actuators(joints: np.ndarray) -> np.ndarray:
    """[14] joint vector to [16]: MuJoCo has two mirrored fingers a gripper, in metres."""
    left, right = np.asarray(joints, np.float64).reshape(2, 7)
    fingers = [constants.unnormalize_puppet_gripper_position(arm[6]) for arm in (left, right)]
    return np.array([*left[:6], fingers[0], -fingers[0], *right[:6], fingers[1], -fingers[1]])
