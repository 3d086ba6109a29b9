"""The loss curve of a run, as a picture."""

import pathlib

import matplotlib.figure

from openpi.trainer import metrics_writer

FILE_NAME = "loss.png"


def write_loss_curve(directory: str | pathlib.Path) -> pathlib.Path | None:
    """Draws `<directory>/loss.png` from the run's metrics; None if there is nothing to draw."""
    points = [(line["step"], line["loss"]) for line in metrics_writer.read(directory) if line.get("loss") is not None]
    if not points:
        return None
    steps, losses = zip(*points, strict=True)
    figure = matplotlib.figure.Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(steps, losses, marker="." if len(steps) < 30 else None)
    if min(losses) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="loss", title="/".join(pathlib.Path(directory).absolute().parts[-2:]))
    axes.grid(which="both", alpha=0.3)
    path = pathlib.Path(directory) / FILE_NAME
    temporary = path.with_name(f".{FILE_NAME}.tmp")
    figure.savefig(temporary, dpi=120, format="png")
    temporary.replace(path)
    return path
