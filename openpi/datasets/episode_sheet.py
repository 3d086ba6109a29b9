"""A picture of one episode: frames of every camera over time, and below them what its joints do."""

import pathlib
from typing import Any

import matplotlib.figure
import numpy as np

from openpi.data import feature_names
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader

_WIDTH = 16.0  # inches
_FRAMES = 8  # of each camera
_PANEL = 1.35  # inches in height
_MOST_DIMS = 64  # of a feature that is drawn
_COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


def write(dataset: reader.LeRobotDataset, episode: int, path: str | pathlib.Path) -> pathlib.Path:
    """Writes the picture of an episode, its place in `dataset`, as PNG at `path`, which it returns.

    Raises:
      OSError: it cannot be written.
      ValueError: a frame cannot be decoded.
    """
    path = pathlib.Path(path)
    figure = draw(dataset, episode)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        figure.savefig(temporary, dpi=100, format="png")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def draw(dataset: reader.LeRobotDataset, episode: int) -> matplotlib.figure.Figure:
    """The figure: frames evenly spaced over the episode, and a panel for every dimension of its number features."""
    start, stop = int(dataset.episodes.start[episode]), int(dataset.episodes.stop[episode])
    rows = np.unique(np.linspace(start, stop - 1, min(_FRAMES, stop - start)).round().astype(np.int64))
    seconds = (rows - start) / dataset.fps
    groups = [group for group in _groups(dataset) if group]
    heights = [_frame_height(dataset, key) for key in dataset.image_keys]
    heights += [_PANEL * -(-_dims(dataset, group[0]) // _across(_dims(dataset, group[0]))) + 0.6 for group in groups]
    figure = matplotlib.figure.Figure(figsize=(_WIDTH, sum(heights) + 0.6), layout="constrained")
    task = dataset.tasks[int(dataset.table("task_index")[start])]
    figure.suptitle(
        f"{dataset.root.name}, episode {dataset.episodes.index[episode]}: {task!r}  "
        f"({stop - start} frames, {(stop - start) / dataset.fps:.1f} s)",
        parse_math=False,
    )
    if not heights:
        return figure
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for part, key in zip(parts, dataset.image_keys):
        _draw_frames(part, dataset.frames(key, rows), seconds, key)
    for part, group in zip(parts[len(dataset.image_keys) :], groups, strict=True):
        _draw_numbers(part, dataset, group, slice(start, stop))
    return figure


def _groups(dataset: reader.LeRobotDataset) -> list[list[str]]:
    """The number features to draw; those with the same dimensions (states and the actions for them) are together."""
    groups: dict[Any, list[str]] = {}
    for key, feature in dataset.features.items():
        vector = len(feature.shape) == 1 and np.dtype(_numeric(feature)).kind == "f"
        if vector and feature.shape[0] <= _MOST_DIMS and key not in lerobot_info.INDEX_FEATURES:
            labels = tuple(feature_names.of(feature))
            groups.setdefault((feature.shape, labels) if labels or feature.shape[0] > 1 else key, []).append(key)
    return list(groups.values())


def _numeric(feature: lerobot_info.Feature) -> str:
    return "uint8" if feature.is_image or feature.dtype == "string" else feature.dtype


def _dims(dataset: reader.LeRobotDataset, key: str) -> int:
    return dataset.features[key].shape[0]


def _across(dims: int) -> int:
    """Panels in a row: arms of seven joints stand below one another."""
    return 7 if dims % 7 == 0 else min(dims, 8)


def _frame_height(dataset: reader.LeRobotDataset, key: str) -> float:
    height, width = dataset.features[key].image_size
    return min(_WIDTH / _FRAMES * height / width, 2 * _WIDTH / _FRAMES) + 0.45


def _draw_frames(part: Any, frames: np.ndarray, seconds: np.ndarray, key: str) -> None:
    part.suptitle(key, fontsize="small", x=0.01, ha="left", parse_math=False)
    for axes, image, time in zip(part.subplots(1, _FRAMES), [*frames, *[None] * _FRAMES], [*seconds, *[0.0] * _FRAMES]):
        axes.axis("off")
        if image is not None:
            axes.imshow(image)
            axes.set_title(f"{time:.2f} s", fontsize="x-small", pad=2)


def _draw_numbers(part: Any, dataset: reader.LeRobotDataset, group: list[str], rows: slice) -> None:
    dims = _dims(dataset, group[0])
    labels = feature_names.of(dataset.features[group[0]])
    labels = labels if len(labels) == dims else [str(i) for i in range(dims)]
    across = _across(dims)
    panels = part.subplots(-(-dims // across), across, squeeze=False, sharex=True).ravel()
    for axes in panels[dims:]:
        axes.axis("off")
    for axes, label in zip(panels, labels):
        axes.set_title(label if label not in group else "", fontsize="x-small", pad=2, parse_math=False)
        axes.tick_params(labelsize="xx-small", length=2)
        axes.grid(alpha=0.3)
        axes.margins(x=0.02)
    for number, key in enumerate(group):
        values = dataset.table(key)[rows].reshape(-1, dims)
        seconds = np.arange(len(values)) / dataset.fps
        for axes, column in zip(panels, values.T):
            axes.plot(
                seconds,
                column,
                color=_COLORS[number % len(_COLORS)],
                linewidth=1,
                marker="." if len(values) < 3 else None,
                linestyle="-" if number == 0 else "--",
                label=key,
            )
    part.suptitle(" ", fontsize="x-large")  # room for the legend
    part.supxlabel("seconds", fontsize="x-small")
    handles, texts = panels[0].get_legend_handles_labels()
    part.legend(handles, texts, loc="upper left", ncols=len(group), fontsize="small", frameon=False, borderaxespad=0)
