"""How smoothly a robot was told to move where one chunk of actions follows another, compared to the middle of chunks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from openpi.benchmarks import late_answers


def measure(traces: Sequence[late_answers.Trace]) -> dict[str, dict[str, Any]]:
    """Jumps (from one action to the next) and bends (from one jump to the next), of the number that changes most.

    Each with its mean and maximum `at_seams`, its mean `inside` chunks, and the `ratio` of the two means; None where there is
    none. Steps for which the robot stands still count at the seam that they belong to, and not inside. `departures` is how far
    the first action of a chunk is from what the one before had planned for that step.
    """
    jumps = _Changes()
    bends = _Changes()
    for trace in traces:
        jump = np.diff(np.array(trace.actions), axis=0)
        chunks, held = np.array(trace.chunks), np.array(trace.held)
        seam = np.diff(chunks) != 0
        quiet = ~seam & ~held[1:]
        jumps.add(jump, seam, quiet)
        bends.add(np.diff(jump, axis=0), seam[1:], quiet[1:] & quiet[:-1])
    departures = [
        float(np.abs(action - planned).max())
        for trace in traces
        for action, planned in zip(trace.actions, trace.planned, strict=True)
        if planned is not None
    ]
    summary = {"mean": float(np.mean(departures)) if departures else None, "max": max(departures, default=None)}
    return {"jumps": jumps.summary(), "bends": bends.summary(), "departures": summary}


class _Changes:
    def __init__(self):
        self._at_seams: list[float] = []
        self._inside: list[float] = []

    def add(self, changes: np.ndarray, seam: np.ndarray, inside: np.ndarray) -> None:
        sizes = np.abs(changes).max(axis=1) if len(changes) else np.zeros(0)
        self._at_seams += sizes[seam].tolist()
        self._inside += sizes[inside].tolist()

    def summary(self) -> dict[str, Any]:
        at_seams = float(np.mean(self._at_seams)) if self._at_seams else None
        inside = float(np.mean(self._inside)) if self._inside else None
        return {
            "at_seams": at_seams,
            "at_seams_max": max(self._at_seams, default=None),
            "inside": inside,
            "ratio": at_seams / inside if at_seams is not None and inside else None,
            "seams": len(self._at_seams),
        }
