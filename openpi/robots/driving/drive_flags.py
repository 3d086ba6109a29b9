"""Flags of every robot program that say how it drives."""

from __future__ import annotations

import dataclasses

from absl import flags

from openpi.runtime import safety_limits

DRY_RUN = flags.DEFINE_bool("dry_run", False, "Needs no hardware: simulated joints and test pictures in its place.")
MAX_EPISODE_STEPS = flags.DEFINE_integer(
    "max_episode_steps", 1000, "An episode ends after so many steps.", lower_bound=1
)
PLAYBACK = flags.DEFINE_enum(
    "playback",
    "wait",
    ["wait", "ahead", "real_time"],
    "How chunks are played. wait: the robot waits for each; ahead: the next is asked for while one is played; real_time: and it "
    "goes on where that one stands, which the server must allow (--real_time_chunking).",
)
_SPEED = flags.DEFINE_float(
    "speed", 1.0, "Fraction of the joints' greatest speed; 0.2 for a first motion.", lower_bound=0.01, upper_bound=1.0
)
_MAX_ACTION_AGE = flags.DEFINE_float(
    "max_action_age",
    None,
    "Seconds after which an answer is too old and stops the robot; its limits say, if not given.",
)


def limit(limits: safety_limits.Limits) -> safety_limits.Limits:
    """A robot's limits as the flags change them."""
    slowed = limits.at_speed(_SPEED.value)
    if _MAX_ACTION_AGE.value is None:
        return slowed
    return dataclasses.replace(slowed, max_age=_MAX_ACTION_AGE.value)
