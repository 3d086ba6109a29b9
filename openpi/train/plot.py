"""Draws the curves of one or several trainings into a PNG file.

    bazel run //openpi/train:plot -- checkpoints/aloha_reach/default checkpoints/aloha_reach/second

A run is its folder, or any folder above it: then all runs below are drawn. Which metrics, and how smooth:

    ... --metric=loss,validation/ema/loss,grad_norm --smooth=25 --output=comparison.png

A metric with an interval (of a validation) is drawn with it as a band.
"""

import pathlib

from absl import flags

from openpi.cli import program
from openpi.config import suggest
from openpi.trainer import metrics_writer, plot

_METRIC = flags.DEFINE_list("metric", ["loss"], "Metrics to draw, an axis for each.")
_SMOOTH = flags.DEFINE_integer(
    "smooth", None, "Logged values that are averaged; 1: none. Default: a fiftieth of a curve's.", lower_bound=1
)
_OUTPUT = flags.DEFINE_string("output", "curves.png", "PNG file to write.")


def main(folders: list[str]) -> None:
    """Draws the runs in and below the folders."""
    directories = list(dict.fromkeys(run for folder in folders for run in _runs(pathlib.Path(folder))))
    runs = {}
    for directory in directories:
        name = plot.label(directory)
        runs[name if name not in runs else str(directory)] = plot.read(directory)
    known = {metric for curves in runs.values() for metric in curves}
    for metric in _METRIC.value:
        if metric not in known:
            raise ValueError(f"--metric={metric} was not logged{suggest.hint(metric, known)}")
    path = pathlib.Path(_OUTPUT.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    title = next(iter(runs)) if len(runs) == 1 else ""
    plot.write(path, runs, _METRIC.value, window=_SMOOTH.value, title=title)
    print(f"{path}: {', '.join(_METRIC.value)} of {', '.join(runs)}")


def _runs(folder: pathlib.Path) -> list[pathlib.Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give those of runs, <checkpoint_base_dir>/<name>/<exp_name>")
    below = sorted(path.parent for path in folder.rglob(metrics_writer.FILE_NAME))
    return below or [folder]


if __name__ == "__main__":
    program.run(main, name="plot", positional="RUN...")
