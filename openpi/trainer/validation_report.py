"""What a validation found, as numbers: each a mean over episodes, with the interval that it is known to.

Frames of one episode are alike, so that an interval follows from how episodes differ: Student's t of their means.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

CONFIDENCE = 0.95
_STILL = 1e-6  # a dimension that varies less than this part of the most varying one stands still


class Estimate(NamedTuple):
    """A mean over episodes and its interval; one episode tells nothing of it, and `low` and `high` are NaN."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Report:
    """How well some weights do on held-out episodes.

    Attributes:
      loss: as it is trained on.
      relative_error: mean distance of sampled actions to recorded ones, over the recorded ones' standard deviation, of all
        dimensions that move: always answering the mean action gives about 0.8.
      joints: name → mean distance in the robot's unit.
      steps: `relative_error` of each step of the chunk.
      table: [H, A], mean distance in the robot's units.
    """

    loss: Estimate
    relative_error: Estimate
    joints: dict[str, Estimate]
    steps: list[Estimate]
    table: np.ndarray

    def metrics(self) -> dict[str, float]:
        """By short names."""
        values = {"loss": self.loss, "relative_error": self.relative_error}
        out = {name: estimate.mean for name, estimate in values.items()}
        for name, estimate in values.items():
            out |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        return out | {f"error/{name}": estimate.mean for name, estimate in self.joints.items()}

    def to_json(self) -> dict:
        """All of it; what is not finite is null."""
        plain = lambda estimate: {key: _finite(value) for key, value in estimate._asdict().items()}
        return {
            "loss": plain(self.loss),
            "relative_error": plain(self.relative_error),
            "joints": {name: plain(estimate) for name, estimate in self.joints.items()},
            "steps": [plain(estimate) for estimate in self.steps],
            "table": [[_finite(float(value)) for value in row] for row in self.table],
        }


def make(
    losses: np.ndarray,
    predicted: np.ndarray,
    recorded: np.ndarray,
    valid: np.ndarray,
    episode: np.ndarray,
    names: Sequence[str],
) -> Report:
    """Compares sampled with recorded actions.

    Args:
      losses: [N].
      predicted: [N, H, A], in the robot's units.
      recorded: [N, H, A].
      valid: [N, H], which recorded steps count.
      episode: [N], which episode a frame is of.
      names: A of them.
    """
    distance = np.where(valid[..., None], np.abs(predicted - recorded), np.nan)
    spread = np.std(recorded[valid], axis=0)
    moving = spread > _STILL * max(float(spread.max(initial=0.0)), 1e-12)
    relative = _mean(distance[..., moving] / spread[moving], (2,))
    return Report(
        loss=estimate(losses, episode),
        relative_error=estimate(_mean(relative, (1,)), episode),
        joints={name: estimate(column, episode) for name, column in zip(names, _mean(distance, (1,)).T, strict=True)},
        steps=[estimate(column, episode) for column in relative.T],
        table=_mean(distance, (0,)),
    )


def estimate(values: np.ndarray, episode: np.ndarray) -> Estimate:
    """The mean of episodes' means; frames whose value is NaN don't count.

    Args:
      values: [N].
      episode: [N], which episode a value is of.
    """
    counted = ~np.isnan(values)
    means = np.array([values[counted & (episode == one)].mean() for one in np.unique(episode[counted])])
    if not len(means):
        return Estimate(math.nan, math.nan, math.nan)
    mean = float(means.mean())
    if len(means) == 1:
        return Estimate(mean, math.nan, math.nan)
    half = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
    return Estimate(mean, mean - half, mean + half)


def _mean(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """As np.nanmean, without a warning where there is nothing."""
    counted = ~np.isnan(values)
    total, count = np.where(counted, values, 0.0).sum(axes), counted.sum(axes)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
