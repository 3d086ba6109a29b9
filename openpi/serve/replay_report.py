"""How two answers to the same requests differ, joint by joint, as a table for people, as JSON and as a picture."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np
from jaxtyping import Float

_QUANTILES = (50, 90, 99)
_COLUMNS = 4


@dataclasses.dataclass(frozen=True)
class Compared:
    """One request whose two answers were compared: the absolute differences of its actions [H, D]."""

    request: str
    difference: Float[np.ndarray, "H D"]


@dataclasses.dataclass(frozen=True)
class Failed:
    """A request that could not be compared, and why."""

    request: str
    error: str


@dataclasses.dataclass(kw_only=True)
class Report:
    """What a replay has found.

    Attributes:
      names: of the joints, D.
      compared, failed: the requests.
      noise: how many requests got their noise how.
      latencies: milliseconds, of whom and what → values.
    """

    names: Sequence[str]
    compared: list[Compared] = dataclasses.field(default_factory=list)
    failed: list[Failed] = dataclasses.field(default_factory=list)
    noise: dict[str, int] = dataclasses.field(default_factory=dict)
    latencies: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    def add(self, request: str, actions: Any, reference: Any) -> None:
        """Compares two chunks [H, D], which may be anything."""
        try:
            self.compared.append(Compared(request, difference(actions, reference, len(self.names))))
        except ValueError as error:
            self.failed.append(Failed(request, str(error)))

    @property
    def largest(self) -> float:
        """The largest difference of all; 0 if nothing was compared."""
        return max((float(each.difference.max()) for each in self.compared), default=0.0)

    def chunks(self) -> Float[np.ndarray, "N D"]:
        """The differences of all steps."""
        return np.concatenate([each.difference for each in self.compared])

    def firsts(self) -> Float[np.ndarray, "N D"]:
        """The differences of first steps."""
        return np.stack([each.difference[0] for each in self.compared])


def difference(actions: Any, reference: Any, count: int) -> Float[np.ndarray, "H D"]:
    """The absolute difference of two chunks of `count` joints.

    Raises:
      ValueError: they are no chunks of numbers, or of different shapes.
    """
    for which, chunk in (("replayed", actions), ("reference", reference)):
        if not isinstance(chunk, np.ndarray) or chunk.dtype.kind not in "fiu" or chunk.ndim != 2 or not chunk.size:
            raise ValueError(f"the {which} answer has no actions [steps, joints]")
        if not np.isfinite(chunk).all():
            raise ValueError(f"the {which} actions are not finite")
    if actions.shape != reference.shape or actions.shape[1] != count:
        raise ValueError(
            f"replayed actions are {list(actions.shape)}, the reference {list(reference.shape)}, of {count} joints"
        )
    return np.abs(actions.astype(np.float64) - reference.astype(np.float64))


def to_json(report: Report) -> dict[str, Any]:
    """All figures, in the robot's units; ready for JSON."""
    worst = max(report.compared, key=lambda each: each.difference.max(), default=None)
    told: dict[str, Any] = {
        "requests": len(report.compared) + len(report.failed),
        "noise": report.noise,
        "failed": [dataclasses.asdict(each) for each in report.failed],
        "latency_ms": {name: _spread(np.asarray(values)) for name, values in report.latencies.items() if values},
    }
    if worst is None:
        return told | {"largest": None, "worst": None, "joints": []}
    step, joint = divmod(int(worst.difference.argmax()), len(report.names))
    firsts, chunks = report.firsts(), report.chunks()
    return told | {
        "largest": report.largest,
        "worst": {"request": worst.request, "step": step, "joint": report.names[joint]},
        "joints": [
            {"name": name, "first_step": _spread(firsts[:, index]), "chunk": _spread(chunks[:, index])}
            for index, name in enumerate(report.names)
        ],
    }


def table(told: Mapping[str, Any]) -> str:
    """The figures of `to_json`, as lines of text."""
    width = max([len("joint"), *(len(joint["name"]) for joint in told["joints"])])
    figures = ("mean", "p50", "p99", "max")
    lines = [f"{'':{width}}  {'first step':^41}  {'whole chunk':^41}"]
    lines.append(f"{'joint':{width}}  " + "  ".join(" ".join(f"{name:>9}" for name in figures) + "  " for _ in "ab"))
    for joint in told["joints"]:
        parts = [" ".join(f"{joint[part][name]:9.2g}" for name in figures) + "  " for part in ("first_step", "chunk")]
        lines.append(f"{joint['name']:{width}}  " + "  ".join(parts))
    for name, values in told["latency_ms"].items():
        lines.append(f"{name}: " + ", ".join(f"{key} {values[key]:.1f} ms" for key in ("p50", "p90", "p99", "max")))
    lines += [f"failed {each['request']}: {each['error']}" for each in told["failed"][:10]]
    return "\n".join(line.rstrip() for line in lines)


def draw(report: Report, path: str | pathlib.Path) -> None:
    """Writes a histogram of each joint's differences as PNG.

    Raises:
      ValueError: nothing was compared.
      OSError: it cannot be written.
    """
    if not report.compared:
        raise ValueError("no picture: no request could be compared")
    rows = -(-len(report.names) // _COLUMNS)
    figure = matplotlib.figure.Figure(figsize=(3.2 * _COLUMNS, 2.2 * rows + 0.6), layout="constrained")
    figure.suptitle(f"difference of actions: {len(report.compared)} requests, whole chunks and first steps")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    firsts, chunks = report.firsts(), report.chunks()
    for panel in panels[len(report.names) :]:
        panel.set_visible(False)
    for index, (panel, name) in enumerate(zip(panels, report.names)):
        edges = np.linspace(0, float(chunks[:, index].max()) or 1.0, 31)
        for values, label in ((chunks, "whole chunk"), (firsts, "first step")):
            panel.hist(values[:, index], edges, weights=np.full(len(values), 1 / len(values)), alpha=0.6, label=label)
        panel.set_title(name, fontsize=9, parse_math=False)
        panel.tick_params(labelsize=7)
        panel.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3))
    panels[0].legend(fontsize=7)
    figure.savefig(path, dpi=100, format="png")


def _spread(values: np.ndarray) -> dict[str, float]:
    quantiles = np.percentile(values, _QUANTILES)
    named = {f"p{which}": float(value) for which, value in zip(_QUANTILES, quantiles)}
    return {"mean": float(values.mean()), **named, "max": float(values.max())}
