"""The LIBERO benchmark as π0's authors run it: suites, lengths of episodes, and what is fixed.

Liu et al. 2023, "LIBERO: Benchmarking Knowledge Transfer for Lifelong Robot Learning".
"""

from __future__ import annotations

MAX_STEPS = {  # suite -> steps that the policy has in an episode
    "libero_spatial": 220,
    "libero_object": 280,
    "libero_goal": 300,
    "libero_10": 520,
    "libero_90": 400,
}
SETTLE_STEPS = 10  # objects fall into their places; the policy is not asked
SETTLE_ACTION = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0)  # stand, gripper open
NUM_TRIALS = 50  # of each task: LIBERO's own starts
REPLAN_STEPS = 5  # actions of a chunk that are played
SEED = 7
RENDER_SIZE = 256  # pixels, square, of the simulator's cameras
IMAGE_SIZE = 224  # of the policy's images
VIDEO_HZ = 10
ACTIONS = ("x", "y", "z", "rx", "ry", "rz", "gripper")
