"""An episode as a Rerun file: cameras, joints and the instruction on the episode's own time."""

import pathlib

import numpy as np
import rerun as rr

from openpi.data import feature_names
from openpi.data.lerobot import info as lerobot_info
from openpi.data.lerobot import reader

_BLOCK = 32  # frames decoded at a time
_QUALITY = 85  # of the JPEGs


def write(dataset: reader.LeRobotDataset, episode: int, path: str | pathlib.Path) -> pathlib.Path:
    """Writes an episode, its place in `dataset`, to `path` (which it returns); open it with `rerun PATH`.

    Number features become one series for each dimension, at `/FEATURE`; images lie at `/CAMERA`; the instruction is the
    text at `/task`.

    Raises:
      OSError: it cannot be written.
      ValueError: a frame cannot be decoded.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.touch()  # fails as other files do; Rerun's own error is of another kind
        recording = rr.RecordingStream(f"{dataset.root.name} episode {dataset.episodes.index[episode]}")
        recording.save(str(temporary))
        _log(recording, dataset, episode)
        recording.flush()
        recording.disconnect()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _log(recording: rr.RecordingStream, dataset: reader.LeRobotDataset, episode: int) -> None:
    start, stop = int(dataset.episodes.start[episode]), int(dataset.episodes.stop[episode])
    task = dataset.tasks[int(dataset.table("task_index")[start])]
    recording.log("task", rr.TextDocument(task), static=True)
    frame = np.arange(stop - start)
    indexes = [rr.TimeColumn("time", duration=frame / dataset.fps), rr.TimeColumn("frame", sequence=frame)]
    for key, feature in dataset.features.items():
        if feature.is_image or feature.dtype == "string" or key in lerobot_info.INDEX_FEATURES:
            continue
        values = dataset.table(key)[start:stop].reshape(stop - start, -1).astype(np.float64)
        labels = feature_names.of(feature)
        if len(labels) == values.shape[1]:
            recording.log([key], rr.SeriesLines(names=labels), static=True)
        recording.send_columns(
            rr.new_entity_path([key]),
            indexes,
            rr.Scalars.columns(scalars=values.ravel()).partition([values.shape[1]] * len(values)),
        )
    for key in dataset.image_keys:
        for begin in range(start, stop, _BLOCK):
            rows = np.arange(begin, min(begin + _BLOCK, stop))
            for row, image in zip(rows.tolist(), dataset.frames(key, rows), strict=True):
                recording.set_time("time", duration=(row - start) / dataset.fps)
                recording.set_time("frame", sequence=row - start)
                recording.log([key], rr.Image(image).compress(jpeg_quality=_QUALITY))
