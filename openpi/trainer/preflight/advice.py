"""Does the dataset fit the robot, and the robot the model? What a look at one batch can tell, with advice."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from openpi.config import schema

_WILD = 10.0  # a normalized number beyond this is no ordinary one
_SHORT_S, _LONG_S = 0.25, 5.0  # what chunks of working robots last


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something to know before training: `problem` must be mended first, the rest is advice."""

    problem: bool
    text: str

    def __str__(self) -> str:
        return f"{'PROBLEM' if self.problem else 'advice'}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the checks look at.

    Attributes:
      fps: frames a second of the dataset.
      episode_lengths: int [E], frames.
      robot_sample: a sample as the robot's transforms leave it, with `state` [D] and `actions` [H, D].
      batch: a batch as the model gets it: nested dict of arrays [B, ...].
      has_stats: whether `batch` is normalized.
    """

    fps: float
    episode_lengths: np.ndarray
    robot_sample: Mapping[str, Any]
    batch: Mapping[str, Any]
    has_stats: bool


def check(config: schema.ConfigDict, facts: Facts) -> list[Finding]:
    """All findings, problems first."""
    checks = (_widths, _horizon, _cameras, _numbers, _prompts)
    found = [finding for one in checks for finding in one(config, facts)]
    return sorted(found, key=lambda finding: not finding.problem)


def _widths(config: schema.ConfigDict, facts: Facts) -> Iterator[Finding]:
    model = config.model
    for key in ("state", "actions"):
        width = np.shape(facts.robot_sample[key])[-1]
        if width > model.action_dim:
            yield Finding(
                True,
                f"the robot has {width} numbers in {key} and config.model.action_dim is {model.action_dim}: raise it",
            )
        elif key == "actions" and model.type == "pi0_fast" and width != model.action_dim:
            yield Finding(
                True,
                f"the robot has {width} actions and config.model.action_dim is {model.action_dim}: pi0_fast needs the "
                "same number",
            )
    horizon = np.shape(facts.robot_sample["actions"])[0]
    if horizon != model.action_horizon:
        yield Finding(
            True,
            f"a chunk has {horizon} actions and config.model.action_horizon is {model.action_horizon}: correct "
            "config.data.action_sequence_keys",
        )


def _horizon(config: schema.ConfigDict, facts: Facts) -> Iterator[Finding]:
    horizon, seconds = config.model.action_horizon, config.model.action_horizon / facts.fps
    steps = f"config.model.action_horizon={horizon} at {facts.fps:g} frames a second is {seconds:.2f} s"
    if seconds < _SHORT_S:
        yield Finding(
            False,
            f"{steps}: very short for a chunk; is the dataset's fps right? a longer horizon gives smoother motion",
        )
    elif seconds > _LONG_S:
        yield Finding(False, f"{steps}: long for a chunk; is the dataset's fps right? a shorter horizon reacts sooner")
    short = np.count_nonzero(facts.episode_lengths < horizon)
    if short:
        yield Finding(
            False,
            f"{short} of {len(facts.episode_lengths)} episodes are shorter than the chunk of {horizon} steps: their "
            "last action is repeated",
        )
    lengths = np.maximum(facts.episode_lengths, 1)
    cut = np.minimum(lengths, horizon - 1)
    repeated = np.sum(cut * (horizon - 1) - cut * (cut - 1) / 2) / (np.sum(lengths) * horizon)
    if repeated > 0.25:
        yield Finding(
            False,
            f"{repeated:.0%} of all action steps lie behind their episode's end, where its last action is repeated: a "
            "shorter config.model.action_horizon wastes less",
        )
    if config.batch_size > np.sum(facts.episode_lengths):
        yield Finding(
            True,
            f"config.batch_size={config.batch_size} is more than the dataset's {np.sum(facts.episode_lengths)} frames",
        )


def _cameras(config: schema.ConfigDict, facts: Facts) -> Iterator[Finding]:
    images, masks = facts.batch["image"], facts.batch["image_mask"]
    left_out = [key for key in config.model.image_keys if not np.any(masks[key])]
    if len(left_out) == len(config.model.image_keys):
        yield Finding(
            True,
            "no camera reaches the model: every image mask is False; correct config.data.repack and config.data.robot",
        )
    elif left_out:
        yield Finding(
            False,
            f"the model leaves out {', '.join(left_out)}, since the robot has no such camera: without it in "
            "config.model.image_keys steps are faster and the result is the same",
        )
    for key in config.model.image_keys:
        seen = np.asarray(images[key])[np.asarray(masks[key], bool)]
        if seen.size and seen.min() == seen.max():
            yield Finding(False, f"every image of {key} is of one colour: is this camera recorded?")


def _numbers(config: schema.ConfigDict, facts: Facts) -> Iterator[Finding]:
    for key in ("state", "actions"):
        values = np.asarray(facts.batch[key], np.float64)
        if not np.isfinite(values).all():
            yield Finding(
                True,
                f"{key} holds values that are not finite: correct the dataset, or set config.data.skip_bad_episodes",
            )
        elif facts.has_stats and np.abs(values).max() > _WILD:
            dim = int(np.abs(values).reshape(-1, values.shape[-1]).max(axis=0).argmax())
            yield Finding(
                False,
                f"normalized {key} reach {np.abs(values).max():.3g} in dim {dim}: are the statistics those of this "
                "dataset? see //openpi/norm_stats:lint",
            )


def _prompts(config: schema.ConfigDict, facts: Facts) -> Iterator[Finding]:
    mask = np.asarray(facts.batch["tokenized_prompt_mask"], bool)
    used, most = int(mask.sum(axis=1).max()), mask.shape[1]
    if used >= most:
        what = "the prompt and its actions fill" if config.model.type == "pi0_fast" else "the prompt fills"
        yield Finding(
            False,
            f"{what} all {most} tokens of config.model.max_token_len, so the end may be cut off: raise it, or shorten "
            "the prompt",
        )
    elif used < most / 4:
        yield Finding(
            False,
            f"the longest prompt of this batch has {used} of {most} tokens: a smaller config.model.max_token_len "
            "makes steps faster",
        )
    if config.model.type == "pi0_fast" and not np.asarray(facts.batch["token_loss_mask"], bool).any(axis=1).all():
        yield Finding(
            True,
            "a sample has no action token left to learn: the prompt alone fills config.model.max_token_len; raise it",
        )
