"""What the robot of experiments/template.py may do: copy this file, go through it, and give its path to --robot.

A robot that is driven needs one more function in it, which opens your hardware; openpi/robots/template/README.md shows one:

    def open_driver() -> openpi.robots.driving.driver.Driver
"""

from openpi.runtime import safety_limits

# A name for each number of your actions, the same as in your configuration, each with its range and greatest speed, in your
# robot's units: here degrees and, for the gripper, millimetres.
_JOINTS = (
    safety_limits.Joint("base", -170, 170, max_speed=60),
    safety_limits.Joint("shoulder", -100, 100, max_speed=60),
    safety_limits.Joint("elbow", -150, 150, max_speed=60),
    safety_limits.Joint("wrist_1", -170, 170, max_speed=90),
    safety_limits.Joint("wrist_2", -120, 120, max_speed=90),
    safety_limits.Joint("wrist_3", -170, 170, max_speed=90),
    safety_limits.Joint("gripper", 0, 85, max_speed=170),
)

LIMITS = safety_limits.Limits(
    joints=_JOINTS,
    hz=20,  # commands a second: the rate of your dataset
    max_age=1.0,  # seconds after which an answer is too old
    # A box that a hand stays in needs to know where the hand is: see openpi/robots/ur5/limits.py.
    workspaces=(),
)

# Where the robot goes before an episode and at the end, on straight lines from wherever it is, and how long that takes at
# least. Nothing may be in between.
HOME = (0, -45, 90, 0, 45, 0, 85)
HOME_SECONDS = 3.0
