"""Which checkpoints of a run are kept."""

import dataclasses
import math
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Retention:
    """What any of these wants is kept.

    Attributes:
      latest: so many of the last; at least 1.
      every: steps that are multiples of it; 0 for none.
      best: so many with the lowest score; 0 for none.
    """

    latest: int = 1
    every: int = 0
    best: int = 0

    def __post_init__(self) -> None:
        if self.latest < 1 or self.every < 0 or self.best < 0:
            raise ValueError(f"{self} must keep the latest checkpoint, and no negative number of others")


def kept(scores: Mapping[int, float | None], retention: Retention) -> set[int]:
    """Those of the steps that stay.

    Args:
      scores: step -> score, the lower the better; None (or NaN) where there is none.
      retention: the rule. Of equal scores the later step is the better.
    """
    scored = {step: score for step, score in scores.items() if score is not None and not math.isnan(score)}
    latest = sorted(scores)[-retention.latest :]
    best = sorted(scored, key=lambda step: (scored[step], -step))[: retention.best]
    every = [step for step in scores if retention.every and step % retention.every == 0]
    return {*latest, *best, *every}
