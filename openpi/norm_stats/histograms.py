"""Histograms of the states and actions of a dataset, a panel a dim, as a picture."""

import os
import pathlib
from collections.abc import Mapping, Sequence, Set

import matplotlib.figure
import numpy as np

from openpi.normalization import measured

_COLUMNS = 7
_BINS = 60


def write(
    path: str | pathlib.Path,
    samples: Mapping[str, np.ndarray],
    stats: Mapping[str, measured.Measured],
    names: Mapping[str, Sequence[str]],
    flagged: Set[tuple[str, int | None]] = frozenset(),
) -> None:
    """Writes a PNG, whole or not at all.

    Args:
      path: of the file; its folder is made if need be.
      samples: some of each key, [n, D].
      stats: of all of them: q01 and q99 are drawn as lines, the mean dotted.
      names: of the dims of each key.
      flagged: (key, dim) whose panels are marked.
    """
    rows = {key: -(-values.shape[1] // _COLUMNS) for key, values in samples.items()}
    figure = matplotlib.figure.Figure(figsize=(2.2 * _COLUMNS, 1.7 * sum(rows.values())), layout="constrained")
    panels = figure.subplots(sum(rows.values()), _COLUMNS, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    row = 0
    for key, values in samples.items():
        for dim in range(values.shape[1]):
            axes = panels[row + dim // _COLUMNS, dim % _COLUMNS]
            _panel(axes, values[:, dim], stats[key], dim)
            name = names[key][dim] if dim < len(names.get(key, ())) else ""
            color = "tab:red" if (key, dim) in flagged else "black"
            axes.set_title(f"{key}[{dim}] {name}", fontsize=7, color=color)
        row += rows[key]
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    figure.savefig(partial, dpi=100, format="png")
    partial.replace(path)


def _panel(axes, values: np.ndarray, stats: measured.Measured, dim: int) -> None:
    axes.set_axis_on()
    axes.hist(values, bins=_BINS, log=True, color="tab:blue")
    for quantile in (stats.q01[dim], stats.q99[dim]):
        axes.axvline(quantile, color="tab:orange", linewidth=1)
    axes.axvline(stats.mean[dim], color="tab:gray", linewidth=1, linestyle=":")
    axes.tick_params(labelsize=6)
    axes.tick_params(which="both", left=False, labelleft=False)
    axes.set_ylim(bottom=0.5)  # a single sample shows
