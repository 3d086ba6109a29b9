"""Predicted beside recorded actions of an episode: at some frames a chunk is predicted, and its first steps count until the next.

The robot does not move by the predictions (hence "open loop"): each chunk begins from what was recorded.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import matplotlib.figure
import numpy as np

from openpi.trainer import validation_data


@dataclasses.dataclass(frozen=True)
class Roll:
    """An episode as it is rolled out.

    Attributes:
      number: of the episode.
      frames: where chunks begin.
      length: T, the episode's frames.
      stride: steps of a chunk that count.
    """

    number: int
    frames: validation_data.Frames
    length: int
    stride: int


def read(road: validation_data.HeldOut, place: int, stride: int) -> Roll:
    """Reads what is needed of the episode at `place`; at most `stride` steps of a chunk count."""
    episodes = road.dataset.episodes
    rows = np.arange(int(episodes.start[place]), int(episodes.stop[place]))
    stride = min(stride, validation_data.read(road, rows[:1]).recorded.shape[1])
    return Roll(
        number=validation_data.number(road.dataset, place),
        frames=validation_data.read(road, rows[::stride]),
        length=len(rows),
        stride=stride,
    )


def stitch(chunks: np.ndarray, stride: int, length: int) -> np.ndarray:
    """The actions [length, A] of chunks [N, H, A], of each its first `stride`."""
    return np.concatenate(list(chunks[:, :stride]))[:length]


def draw(
    path: str | pathlib.Path, predicted: np.ndarray, recorded: np.ndarray, names: Sequence[str], title: str, stride: int
) -> pathlib.Path:
    """Draws both, an axis for each dimension, into a PNG file.

    Args:
      path: of the file.
      predicted: [T, A], in the robot's units.
      recorded: [T, A].
      names: of the dimensions.
      title: above all.
      stride: steps between the marks where a chunk begins.
    """
    path = pathlib.Path(path)
    rows = -(-len(names) // 2)
    figure = matplotlib.figure.Figure(figsize=(10, 1.0 + 1.5 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True)
    panels = list(grid.T.flat)  # down the left column, then the right
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    steps = np.arange(len(recorded))
    for column, (axes, name) in enumerate(zip(panels, names, strict=False)):
        for start in range(0, len(recorded), stride):
            axes.axvline(start, color="0.92", linewidth=1, zorder=0)
        axes.plot(steps, recorded[:, column], color="0.25", linewidth=1.6, label="recorded")
        axes.plot(steps, predicted[:, column], color="tab:blue", linewidth=1.2, label="predicted")
        error = np.mean(np.abs(predicted[:, column] - recorded[:, column]))
        axes.set_title(f"{name}   mean error {error:.3g}", fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
    figure.supxlabel("step of the episode", fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=110, format="png")
    temporary.replace(path)
    return path
