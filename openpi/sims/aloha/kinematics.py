"""Inverse kinematics of an arm: damped least squares on MuJoCo's own Jacobian."""

import mujoco
import numpy as np

_JOINTS = ("waist", "shoulder", "elbow", "wrist_angle")  # the other two wrist joints stay at zero
_FINGERTIP = np.array([0.15, 0.0, 0.0])  # in the frame of the gripper link, metres
_PITCH_WEIGHT = 0.1  # metres a radian
_DAMPING = 1e-4
_MAX_STEP = 0.2  # radians an iteration

STEEP = np.deg2rad(60.0)  # a gripper that points this far below the horizon, as to reach for the table
# Where the solved joints of each arm stand in a 14-entry joint vector.
JOINT_INDICES = {"left": np.array([0, 1, 2, 4]), "right": np.array([7, 8, 9, 11])}


def fingertip(model: mujoco.MjModel, data: mujoco.MjData, side: str) -> np.ndarray:
    """Position [3] between the finger tips of the "left" or "right" arm, metres; `data` has its kinematics computed."""
    body = data.body(f"vx300s_{side}/gripper_link")
    return body.xpos + body.xmat.reshape(3, 3) @ _FINGERTIP


def solve(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    target: np.ndarray,
    *,
    side: str = "right",
    pitch: float = STEEP,
    max_iterations: int = 50,
) -> np.ndarray:
    """Joint angles that bring a fingertip to a point, with the gripper pitched down.

    Args:
        model: the scene.
        data: where the search starts; left untouched.
        target: [3], metres.
        side: "left" or "right".
        pitch: of the gripper below the horizon, radians.
        max_iterations: 6 or 7 are usual.

    Returns:
        [4] radians: waist, shoulder, elbow, wrist angle.

    Raises:
        ValueError: the point is out of reach.
    """
    scratch = mujoco.MjData(model)
    scratch.qpos[:] = data.qpos
    addresses = np.array([model.joint(f"vx300s_{side}/{name}").qposadr[0] for name in _JOINTS])
    columns = np.array([model.joint(f"vx300s_{side}/{name}").dofadr[0] for name in _JOINTS])
    low, high = np.array([model.joint(f"vx300s_{side}/{name}").range for name in _JOINTS]).T
    body = model.body(f"vx300s_{side}/gripper_link").id
    for name in ("forearm_roll", "wrist_rotate"):
        scratch.qpos[model.joint(f"vx300s_{side}/{name}").qposadr[0]] = 0.0
    jacobian = np.zeros((3, model.nv))
    for _ in range(max_iterations):
        mujoco.mj_kinematics(model, scratch)
        mujoco.mj_comPos(model, scratch)
        tip = fingertip(model, scratch, side)
        # Shoulder, elbow and wrist angle turn about one axis, so that the gripper's pitch is their sum.
        pitch_error = pitch - scratch.qpos[addresses[1:]].sum()
        error = np.append(target - tip, _PITCH_WEIGHT * pitch_error)
        if np.linalg.norm(error) < 1e-4:
            return scratch.qpos[addresses].copy()
        mujoco.mj_jac(model, scratch, jacobian, None, tip, body)
        rows = np.vstack([jacobian[:, columns], _PITCH_WEIGHT * np.array([0.0, 1.0, 1.0, 1.0])])
        step = rows.T @ np.linalg.solve(rows @ rows.T + _DAMPING * np.eye(4), error)
        scratch.qpos[addresses] = np.clip(scratch.qpos[addresses] + np.clip(step, -_MAX_STEP, _MAX_STEP), low, high)
    raise ValueError(
        f"the {side} arm cannot reach {np.round(target, 3).tolist()} (metres) with its gripper pitched down"
    )
