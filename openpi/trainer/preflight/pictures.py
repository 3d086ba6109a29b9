"""The images of a batch as the model sees them, in one picture."""

import pathlib
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.figure
import numpy as np

_SIDE = 2.0  # inches of an image


def write(
    path: str | pathlib.Path,
    images: Mapping[str, np.ndarray],
    masks: Mapping[str, np.ndarray],
    prompts: Sequence[str],
    augmented: Mapping[str, np.ndarray] | None = None,
) -> pathlib.Path:
    """Writes a PNG: a row a sample, a column a camera, and beside it the same image augmented, if given.

    Args:
      path: the file; a former one is replaced.
      images: camera -> float [B, H, W, 3] in [-1, 1].
      masks: camera -> bool [B]; an image that the model leaves out says so.
      prompts: [B], written above the rows.
      augmented: as `images`.

    Returns:
      `path`.
    """
    path = pathlib.Path(path)
    columns = []
    for camera, batch in images.items():
        columns.append((camera, batch, masks[camera]))
        if augmented is not None:
            columns.append((f"{camera}, augmented", augmented[camera], masks[camera]))
    size = (_SIDE * len(columns) + 0.5, (_SIDE + 0.3) * len(prompts) + 0.3)
    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(prompts), len(columns), squeeze=False)
    for row, prompt in enumerate(prompts):
        for axes, (name, batch, mask) in zip(grid[row], columns, strict=True):
            axes.imshow(np.clip(np.asarray(batch[row], np.float32) / 2 + 0.5, 0, 1))
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(name, fontsize=8)
            if not mask[row]:
                axes.text(
                    0.5,
                    0.5,
                    "left out (mask is False)",
                    color="white",
                    ha="center",
                    transform=axes.transAxes,
                    fontsize=7,
                )
        grid[row, 0].set_ylabel(_wrapped(prompt), fontsize=7)
    temporary = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(temporary, dpi=120, format="png")
    temporary.replace(path)
    return path


def _wrapped(text: str, width: int = 28, lines: int = 3) -> str:
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder="…"))
