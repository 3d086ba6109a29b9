"""What looks wrong with statistics before a model is trained on them, and what to do about it."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from openpi.normalization import measured as measured_lib
from openpi.normalization import norm_stats

_TINY = 1e-3  # of std, and of half the distance of the quantiles, in the unit of the dim
_FAR = 3.0  # distance of an extreme from its quantile, in distances of the quantiles; of a Gaussian it is below 1
_SHIFT = 3.0  # distance of two means, in standard deviations of the reference
_SCALE = 5.0  # ratio of two standard deviations


@dataclasses.dataclass(frozen=True)
class Flag:
    """One finding: `problem` in a word, `text` with the figures and the advice. `dim` is None if it is about the key."""

    key: str
    dim: int | None
    problem: str
    text: str


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of the dims of one key.

    Attributes:
      names: of each dim; one that holds "gripper" or "finger" is no joint.
      ranges: name -> (low, high) that its values should keep to.
    """

    names: Sequence[str] = ()
    ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


def check(
    stats: Mapping[str, measured_lib.Measured],
    known: Mapping[str, Known],
    *,
    min_std: float = 0.0,
    action_dim: int | None = None,
    reference: Mapping[str, norm_stats.NormStats] | None = None,
) -> list[Flag]:
    """Looks at every dim of every key.

    Args:
      stats: as measured.
      known: of each key, as far as it is known.
      min_std: dims that vary less will not be scaled: that they hardly vary is no finding.
      action_dim: numbers that the model takes.
      reference: other statistics, such as those that the checkpoint was trained with.
    """
    flags = []
    for key, entry in stats.items():
        about = known.get(key, Known())
        width = len(entry.mean)
        if action_dim is not None and width > action_dim:
            text = f"{width} numbers, and config.model.action_dim is {action_dim}: raise it to {width} at least"
            flags.append(Flag(key, None, "too wide", text))
        for dim in range(width):
            name = about.names[dim] if dim < len(about.names) else ""
            for problem, text in (
                *_degenerate(entry, dim, min_std),
                *_outliers(entry, dim),
                *_units(entry, dim, name, about.ranges.get(name)),
            ):
                flags.append(Flag(key, dim, problem, text))
        if reference is not None:
            flags += _compare(key, entry, reference.get(key))
    return flags


def shift_and_scale(ours: measured_lib.Measured, theirs: norm_stats.NormStats) -> tuple[np.ndarray, np.ndarray]:
    """Of the dims that both have: distance of the means in their std, and ratio of the std; NaN where theirs is tiny."""
    width = min(len(ours.mean), len(theirs.mean))
    std = np.where(theirs.std[:width] < _TINY, np.nan, theirs.std[:width])
    return (ours.mean[:width] - theirs.mean[:width]) / std, ours.std[:width] / std


def _degenerate(entry: measured_lib.Measured, dim: int, min_std: float) -> Iterator[tuple[str, str]]:
    std, half = entry.std[dim], (entry.q99[dim] - entry.q01[dim]) / 2
    advice = "set config.data.min_std (e.g. 0.01) to leave such dims unscaled, or correct the recording"
    if not any(value < _TINY and value >= min_std for value in (std, half)):
        return
    if half == 0:
        yield "degenerate", f"q01 = q99 = {entry.q01[dim]:.4g}, noise would be blown up: {advice}"
    else:
        yield "degenerate", f"std is {std:.2g} and q01 … q99 {2 * half:.2g}, noise would be blown up: {advice}"


def _outliers(entry: measured_lib.Measured, dim: int) -> Iterator[tuple[str, str]]:
    span = entry.q99[dim] - entry.q01[dim]
    if span < 2 * _TINY:
        return
    above = (entry.maximum[dim] - entry.q99[dim]) / span
    below = (entry.q01[dim] - entry.minimum[dim]) / span
    if max(above, below) > _FAR:
        value, side = (entry.maximum[dim], "above q99") if above >= below else (entry.minimum[dim], "below q01")
        yield (
            "outlier",
            f"{value:.4g} lies {max(above, below):.1f} x the width of q01 … q99 {side}: look for bad frames (a sensor's "
            "glitch, a reset in the recording) with //openpi/datasets:inspect",
        )


def _units(
    entry: measured_lib.Measured, dim: int, name: str, wanted: tuple[float, float] | None
) -> Iterator[tuple[str, str]]:
    low, high = entry.q01[dim], entry.q99[dim]
    if wanted is not None:
        margin = (max(wanted) - min(wanted)) / 4
        if low < min(wanted) - margin or high > max(wanted) + margin:
            yield (
                "unit",
                f"runs from {low:.4g} to {high:.4g}, and by config.data.robot from {min(wanted):.4g} to {max(wanted):.4g}: "
                "correct the robot's two numbers of its conversion",
            )
    elif "gripper" in name or "finger" in name:
        if max(abs(low), abs(high)) > 1.1:
            yield (
                "unit",
                f"a gripper that runs from {low:.4g} to {high:.4g}; the base models know 0 (open) to 1 (closed): describe it "
                f"in config.data.robot with robots.gripper({name!r}, open=…, closed=…)",
            )
    elif max(abs(low), abs(high)) > 2 * math.pi:
        yield (
            "unit",
            f"runs from {low:.4g} to {high:.4g}: degrees or millimetres? The base models think in radians and metres: "
            f"describe it in config.data.robot with robots.degrees({name or 'NAME'!r}) or robots.linear(…)",
        )


def _compare(key: str, ours: measured_lib.Measured, theirs: norm_stats.NormStats | None) -> Iterator[Flag]:
    if theirs is None:
        yield Flag(key, None, "mismatch", f"the other statistics have no {key!r}: of another kind of model or robot?")
        return
    if len(ours.mean) > len(theirs.mean):
        text = f"{len(ours.mean)} numbers, {len(theirs.mean)} in the other statistics: they are not of this robot"
        yield Flag(key, None, "mismatch", text)
    for dim, (shift, scale) in enumerate(zip(*shift_and_scale(ours, theirs), strict=True)):
        narrow = scale < 1 / _SCALE and ours.std[dim] >= _TINY  # one that does not move is told above
        if abs(shift) > _SHIFT or scale > _SCALE or narrow:
            yield Flag(
                key,
                dim,
                "mismatch",
                f"its mean lies {shift:+.1f} std from that of the other statistics, and it varies {scale:.2g} x as much: check "
                "order, signs and units of the joints; if they are right, train with the statistics of your own data",
            )
