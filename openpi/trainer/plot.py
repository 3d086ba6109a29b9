"""Curves of the metrics of runs, as pictures."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.axes
import matplotlib.figure
import numpy as np

from openpi.trainer import metrics_writer

FILE_NAME = "loss.png"
_FEW = 30  # points that are marked one by one


class Curve(NamedTuple):
    """Where a metric of a run is finite: `steps` [N], `values` [N], and `band` [N, 2], its interval, where one was written."""

    steps: np.ndarray
    values: np.ndarray
    band: np.ndarray | None = None


def read(directory: str | pathlib.Path) -> dict[str, Curve]:
    """All metrics of a run by name, those without a finite value left out.

    Raises:
      FileNotFoundError: it is no run, or nothing was logged yet.
    """
    lines = metrics_writer.read(directory)
    if not lines:
        raise FileNotFoundError(
            f"{directory} has no {metrics_writer.FILE_NAME} with metrics: give a run's folder, "
            "<checkpoint_base_dir>/<name>/<exp_name>"
        )
    names = dict.fromkeys(name for line in lines for name in line if name != "step")
    curves = {}
    for name in names:
        points = [line for line in lines if line.get(name) is not None]
        if points:
            ends = [[line.get(f"{name}_{end}") for end in ("low", "high")] for line in points]
            known = all(None not in pair for pair in ends)
            curves[name] = Curve(
                np.array([line["step"] for line in points]),
                np.array([line[name] for line in points], np.float64),
                np.array(ends, np.float64) if known else None,
            )
    return curves


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """The mean over `window` values around each, [N]; over fewer, as many before as after, at both ends."""
    reach = np.minimum(np.minimum(np.arange(len(values)), np.arange(len(values))[::-1]), window // 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    return (sums[at + reach + 1] - sums[at - reach]) / (2 * reach + 1)


def write(
    path: str | pathlib.Path,
    runs: Mapping[str, Mapping[str, Curve]],
    metrics: Sequence[str],
    *,
    window: int | None = None,
    title: str = "",
) -> pathlib.Path:
    """Draws metrics of runs into a PNG file: an axis for each metric, a colour for each run.

    Args:
      path: of the file.
      runs: label -> curves; a run without the metric is left out of its axis.
      metrics: names.
      window: values that are averaged, what was logged being faint beside them; None: a fiftieth of each curve's.
      title: above all.
    """
    path = pathlib.Path(path)
    figure = matplotlib.figure.Figure(figsize=(6, 0.5 + 3 * len(metrics)), layout="constrained")
    grid = figure.subplots(len(metrics), 1, squeeze=False, sharex=True)[:, 0]
    for axes, metric in zip(grid, metrics, strict=True):
        for number, (label, curves) in enumerate(runs.items()):
            if metric in curves:
                _draw(axes, curves[metric], window, f"C{number}", label)
        shown = [curves[metric].values for curves in runs.values() if metric in curves]
        if min(values.min() for values in shown) > 0 and max(np.ptp(np.log10(values)) for values in shown) > 0.7:
            axes.set_yscale("log")
        axes.set(ylabel=metric)
        axes.grid(which="both", alpha=0.3)
        if len(runs) > 1:
            axes.legend(fontsize=8)
    grid[-1].set_xlabel("step")
    figure.suptitle(title, fontsize=11)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=120, format="png")
    temporary.replace(path)
    return path


def write_loss_curve(directory: str | pathlib.Path) -> pathlib.Path | None:
    """Draws `<directory>/loss.png` from the run's metrics; None if there is nothing to draw."""
    lines = metrics_writer.read(directory)
    curves = read(directory) if lines else {}
    if "loss" not in curves:
        return None
    name = label(directory)
    return write(pathlib.Path(directory) / FILE_NAME, {name: curves}, ["loss"], title=name)


def label(directory: str | pathlib.Path) -> str:
    """A run's name: that of its configuration, and its own."""
    return "/".join(pathlib.Path(directory).absolute().parts[-2:])


def _draw(axes: matplotlib.axes.Axes, curve: Curve, window: int | None, colour: str, label: str) -> None:
    window = max(1, len(curve.steps) // 50) if window is None else window
    marker = "." if len(curve.steps) < _FEW else None
    if window > 1:
        axes.plot(curve.steps, curve.values, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(curve.steps, smooth(curve.values, window), color=colour, marker=marker, label=label)
    if curve.band is not None:
        axes.fill_between(curve.steps, curve.band[:, 0], curve.band[:, 1], color=colour, alpha=0.15, linewidth=0)
