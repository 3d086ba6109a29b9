"""Normalization statistics of a dataset, as the model will see its states and actions."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from openpi.data import dataset as dataset_lib
from openpi.data import mixture, table_blocks
from openpi.normalization import exact_stats, measured, running_stats

KEYS = ("state", "actions")


def parts(dataset: dataset_lib.Recorded) -> list[tuple[dataset_lib.Recorded, float]]:
    """The datasets of a mixture and their weights; any other dataset is the only part of itself."""
    return dataset.parts if isinstance(dataset, mixture.Mixture) else [(dataset, 1.0)]


def measure(
    dataset: dataset_lib.Recorded,
    transform: table_blocks.Transform,
    *,
    keys: Sequence[str] = KEYS,
    max_frames: int | None = None,
) -> dict[str, measured.Measured]:
    """Measures every frame's `keys` after `transform`, from the tables alone; all steps of an action chunk count as samples.

    The steps of a chunk that lie past the end of its episode count too, as the loader gives them. A mixture is measured as
    it is drawn from: each of its datasets has its weight, however many frames it has. Memory does not grow with the
    dataset, which is read two to four times; a bar is shown on a terminal.

    Args:
      dataset: with the `delta_timestamps` of training, or a mixture of such.
      transform: repack and robot transforms, without normalization, of tables: rows stacked, [n, ...].
      keys: what of its result is measured, each [n, ..., D].
      max_frames: measure so many frames only (of a mixture: in all, each dataset by its length), chosen at random with a
        fixed seed; None means all.

    Raises:
      ValueError: the transform's result lacks a key, a value is not finite, or there are less than two frames.
    """
    members = parts(dataset)
    total = sum(len(member) for member, _ in members)
    share = 1.0 if max_frames is None else min(1.0, max_frames / total)
    chosen = [table_blocks.choose(len(member), max(1, round(len(member) * share))) for member, _ in members]
    frames = sum(map(len, chosen))
    if frames < 2:
        raise ValueError(f"statistics need at least 2 frames, got {frames}: record more, or raise --max_frames")
    readings = itertools.count(1)

    def read() -> Iterator[exact_stats.Block]:
        with table_blocks.progress(f"norm stats, reading {next(readings)}", "frame", frames) as bar:
            for index, ((member, _), rows) in enumerate(zip(members, chosen, strict=True)):
                for block in table_blocks.read(member, rows, transform, keys):
                    yield index, block
                    bar.update(len(block[keys[0]]))

    return exact_stats.measure(read, [weight for _, weight in members])


def measure_as_published(
    dataset: dataset_lib.Recorded,
    transform: table_blocks.Transform,
    *,
    batch_size: int,
    keys: Sequence[str] = KEYS,
    max_frames: int | None = None,
) -> dict[str, measured.Measured]:
    """The statistics that the published script computes from the same numbers, to the last bit.

    What differs from `measure`: float32 arithmetic; quantiles are edges of 5000 bins, whose contents move when the range
    grows; the frames of the last, partial batch are left out. With `max_frames` below the dataset's length the published
    script takes a random choice by torch's generator, which cannot be repeated without torch: it is another choice here.

    Args:
      dataset: as for `measure`, but no mixture.
      transform: as for `measure`.
      batch_size: of the configuration: the batches, in the dataset's order, are those of the script.
      keys: as for `measure`.
      max_frames: as for `measure`.

    Raises:
      ValueError: as `measure`; it is a mixture; there are fewer frames than a batch has.
    """
    if len(parts(dataset)) > 1:
        raise ValueError("the published estimator knows no mixtures: compute the statistics without it")
    rows = np.arange(len(dataset))
    if max_frames is not None and max_frames < len(rows):
        rows = np.random.default_rng(0).permutation(rows)[:max_frames]
    rows = rows[: len(rows) // batch_size * batch_size]
    if not len(rows):
        raise ValueError(
            f"the published estimator drops partial batches, and less than config.batch_size={batch_size} frames are to be "
            "measured: nothing is left; lower it, or compute the statistics without it"
        )
    running = {key: running_stats.RunningStats() for key in keys}
    with table_blocks.progress("norm stats, as published", "frame", len(rows)) as bar:
        for batch in table_blocks.read(dataset, rows, transform, keys, block=batch_size):
            for key, stats in running.items():
                stats.update(batch[key].astype(np.float32))
            bar.update(batch_size)
    found = {}
    for key, stats in running.items():
        result = stats.get_statistics()
        found[key] = measured.Measured(
            stats.count, result.mean, result.std, stats.minimum, stats.maximum, result.q01, result.q99
        )
    return found
