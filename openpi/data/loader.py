"""A dataset and a transform → batches in an order that the seed decides, through Grain."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self

import grain
from absl import flags

from openpi.data import collate

Sample = dict[str, Any]


class Dataset(Protocol):
    """Random access to samples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Loader(Iterator[Sample]):
    """Batches: nested dicts of numpy arrays `[B, ...]`. Close it when done (or use it in a `with`)."""

    def __init__(self, iterator: grain.DatasetIterator) -> None:
        self._iterator = iterator

    def __next__(self) -> Sample:
        return next(self._iterator)

    def get_state(self) -> dict[str, Any]:
        """The position, as JSON can hold it: the state of a loader that gives next what this one would."""
        return self._iterator.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        """Moves to a position that `get_state` of a loader with the same arguments returned."""
        self._iterator.set_state(state)

    def close(self) -> None:
        """Stops reading ahead. (Left open, Grain prints tracebacks when the interpreter exits.)"""
        self._iterator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_loader(
    dataset: Dataset,
    transform: Callable[[Sample], Sample],
    *,
    batch_size: int,
    seed: int,
    shuffle: bool = True,
    num_epochs: int | None = None,
    num_threads: int = 2,
    read_ahead: int | None = None,
    num_workers: int = 0,
) -> Loader:
    """Reads `dataset` in an order that depends on `seed` alone, whatever the number of threads or processes.

    Epochs follow one another without a seam, each with an order of its own: a batch may hold samples of two. Samples are
    dropped at the very end only, where they fill no batch.

    Args:
      dataset: random access; must be picklable when `num_workers` > 0.
      transform: applied to every sample; must leave numbers and arrays only, of the same shapes for all samples.
      batch_size: samples a batch.
      seed: of the order.
      shuffle: False reads in the dataset's order.
      num_epochs: None repeats for ever.
      num_threads: threads that read and transform batches ahead, one batch each. They help where video is decoded; with
        a frame cache 0 (reading when asked) is fastest, since a `prefetch.Prefetcher` beside it reads ahead already.
      read_ahead: batches that are read ahead (by each process, if there are any); None means one more than the threads
        are busy with.
      num_workers: processes. They take seconds to start and copy every batch, so threads are faster unless the
        transform itself costs milliseconds of Python.

    Raises:
      ValueError: the dataset has fewer samples than a batch.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, and must be at least 1")
    if len(dataset) < batch_size:
        raise ValueError(
            f"the dataset has {len(dataset)} samples, fewer than a batch of {batch_size}: lower config.batch_size, "
            "or record more"
        )
    source = grain.MapDataset.source(dataset).seed(seed)
    ordered = source.shuffle() if shuffle else source
    batches = ordered.repeat(num_epochs).map(transform).batch(batch_size, drop_remainder=True, batch_fn=collate.collate)
    ahead = num_threads + 1 if read_ahead is None else read_ahead
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=ahead if num_threads else 0)
    stream = batches.to_iter_dataset(options)
    if num_workers:
        if not flags.FLAGS.is_parsed():  # Grain's processes read flags, which only programs built on absl parse
            flags.FLAGS.mark_as_parsed()
        stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers))
    return Loader(iter(stream))
