"""LIBERO's RLDS release: where its episodes are, and one of them for a converter."""

import contextlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from openpi.convert import episode as episode_lib
from openpi.data.rlds import episode as rlds_episode
from openpi.data.rlds import image_decode, tfds_info, tfrecord

FPS = 10
SETS = ("libero_10_no_noops", "libero_goal_no_noops", "libero_object_no_noops", "libero_spatial_no_noops")
_STATE, _ACTIONS = ("observation/state", 8), ("action", 7)
_CAMERAS = {"image": "observation/image", "wrist_image": "observation/wrist_image"}
LAYOUT = rlds_episode.Layout(
    tables=(_STATE, _ACTIONS), images=tuple(_CAMERAS.values()), texts=("language_instruction",), metadata=()
)


class Source(NamedTuple):
    """Where an episode is."""

    info: tfds_info.Info
    file: pathlib.Path
    number: int  # in the file
    span: tfrecord.Span

    def __str__(self) -> str:
        return f"{self.file}: record {self.number}"


def find(data_dir: pathlib.Path, names: Sequence[str] = SETS) -> list[Source]:
    """The episodes of the named datasets below `data_dir`, in order.

    Raises:
      FileNotFoundError: a dataset, or a file of it, is missing.
      ValueError: one is of other features, or a file is damaged.
    """
    sources = []
    for name in names:
        versions = sorted(path.parent for path in (data_dir / name).glob("*/dataset_info.json"))
        if len(versions) != 1:
            raise FileNotFoundError(
                f"{data_dir / name} holds {len(versions)} versions of a TFDS dataset, expected one: fetch {name} into "
                "--data_dir, or leave it out of --sets"
            )
        info = tfds_info.load(versions[0])
        LAYOUT.check(info)
        for file, count in zip(info.files, info.num_records):
            spans = list(tfrecord.spans(file))
            if len(spans) != count:
                raise ValueError(
                    f"{file} has {len(spans)} records, and dataset_info.json tells {count}: fetch it again"
                )
            sources += [Source(info, file, number, span) for number, span in enumerate(spans)]
    return sources


@contextlib.contextmanager
def opened(source: Source) -> Iterator[episode_lib.Episode]:
    """The episode, its tables read and checked.

    Raises:
      BadEpisodeError: something is missing or damaged.
    """
    try:
        record = tfrecord.read_one(source.file, source.number, source.span)
    except ValueError as error:
        raise episode_lib.BadEpisodeError(str(error)) from None
    try:
        steps = rlds_episode.parse(record.data, LAYOUT)
    except ValueError as error:
        raise episode_lib.BadEpisodeError(f"{source}: {error}") from None
    if not len(steps) or not steps.texts[0][0]:
        raise episode_lib.BadEpisodeError(f"{source}: it has {'no instruction' if len(steps) else 'no steps'}")
    shapes = {key: source.info.features[rlds_episode.STEPS + path].shape for key, path in _CAMERAS.items()}

    def frames() -> Iterator[dict[str, Any]]:
        for t in range(len(steps)):
            frame: dict[str, Any] = {
                "state": steps.tables[t, LAYOUT.columns(_STATE[0])],
                "actions": steps.tables[t, LAYOUT.columns(_ACTIONS[0])],
            }
            for column, key in enumerate(_CAMERAS):
                start, size = steps.image_start[t, column], steps.image_size[t, column]
                try:
                    frame[key] = image_decode.decode(record.data[start : start + size], shapes[key])
                except ValueError as error:
                    raise episode_lib.BadEpisodeError(f"{source}: step {t}: {key} {error}") from None
            yield frame

    features: dict[str, Any] = {
        key: {"dtype": "image", "shape": list(shape), "names": ["height", "width", "channel"]}
        for key, shape in shapes.items()
    }
    features |= {
        key: {"dtype": "float32", "shape": [width], "names": [key]}
        for key, (_, width) in {"state": _STATE, "actions": _ACTIONS}.items()
    }
    yield episode_lib.Episode(task=steps.texts[0][0], features=features, num_frames=len(steps), frames=frames)
