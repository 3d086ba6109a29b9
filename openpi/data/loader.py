"""A dataset and a transform → batches in an order that the seed decides, through Grain."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Self

import grain
import numpy as np
from absl import flags

from openpi.data import collate, fingerprint, order, position
from openpi.data import dataset as dataset_lib
from openpi.data import origin as origin_lib

Sample = dict[str, Any]
Transform = Callable[[Sample], Sample]

AUTOMATIC = -1  # as many threads as measured best


class Loader(Iterator[Sample]):
    """Batches: nested dicts of numpy arrays `[B, ...]`. Close it when done (or use it in a `with`)."""

    def __init__(
        self, read: "_Batches", iterate: Callable[[int], grain.DatasetIterator], facts: dict[str, Any]
    ) -> None:
        """Args:
        read: one batch, by its number.
        iterate: the batches from one with a given number on.
        facts: what their order follows from.
        """
        self._read, self._iterate, self._facts = read, iterate, facts
        self._next = 0
        self._iterator: grain.DatasetIterator | None = None

    def __next__(self) -> Sample:
        if self._iterator is None:
            self._iterator = self._iterate(self._next)
        try:
            batch = next(self._iterator)
        except BaseException:
            self.close()  # Grain would go on with the batch after this one, and the position be wrong from there on
            raise
        self._next += 1
        return batch

    def peek(self) -> Sample:
        """The next batch, read on its own: the position stays, and nothing is read ahead."""
        return self._read(self._next)

    def get_state(self) -> dict[str, Any]:
        """The position, as JSON can hold it; see `position`."""
        return position.save(self._next, self._facts)

    def set_state(self, state: dict[str, Any]) -> None:
        """Moves to a position that `get_state` returned, whatever the number of processes, threads and workers was.

        Raises:
          ValueError: it is a position in other data, or in another order.
        """
        next_batch = position.load(state, self._facts)
        self.close()
        self._next = next_batch

    def last(self, state: dict[str, Any]) -> tuple[Sample, list[origin_lib.Origin]]:
        """The batch before a position that `get_state` returned, read once more, and where its samples come from.

        The position of this iterator does not change; another thread may move it.
        """
        number = position.load(state, self._facts) - 1
        return self._read(number), self._read.origins(number)

    def close(self) -> None:
        """Stops reading ahead. (Left open, Grain prints tracebacks when the interpreter exits.)"""
        if self._iterator is not None:
            self._iterator.close()
        self._iterator = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_loader(
    dataset: dataset_lib.Dataset,
    transform: Transform,
    *,
    batch_size: int,
    seed: int,
    shuffle: bool = True,
    num_epochs: int | None = None,
    num_threads: int = AUTOMATIC,
    read_ahead: int | None = None,
    num_workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Loader:
    """Reads `dataset` in an order that depends on its length (a mixture's weights) and `seed` alone.

    The batches of all processes together are the same whatever the number of processes, threads or workers: process p of P
    reads the rows [p * B / P, (p + 1) * B / P) of each. So training may go on with more processes, or fewer. Epochs follow
    one another without a seam, each with an order of its own: a batch may hold samples of two.

    Args:
      dataset: random access; must be picklable when `num_workers` > 0. One with `parts` is a mixture, drawn from by
        weight; one with `sample` draws at random, and the same again whenever a position is read.
      transform: applied to every sample; must leave numbers and arrays only, of the same shapes for all samples.
      batch_size: `B`, samples of a batch of all processes together.
      seed: of the order.
      shuffle: False reads in the dataset's order.
      num_epochs: None repeats for ever. Samples that fill no batch are dropped at the very end. Not of a mixture.
      num_threads: threads that read and transform batches ahead, one batch each; 0 reads when asked. AUTOMATIC: one a
        processor, or one alone where the dataset's `decoded` says that its images need no decoding.
      read_ahead: batches that are read ahead (by each worker, if there are any); None means one more than the threads
        are busy with.
      num_workers: further processes of this one. They take seconds to start and copy every batch, so threads are faster
        unless the transform itself costs milliseconds of Python.
      process_index: `p`.
      process_count: `P`.

    Raises:
      ValueError: the dataset has fewer samples than a batch, the processes cannot share a batch, or the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"config.seed={seed} must not be negative")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, and must be at least 1")
    if not 0 <= process_index < process_count:
        raise ValueError(f"process_index is {process_index}, and there are {process_count} processes")
    if batch_size % process_count:
        raise ValueError(
            f"config.batch_size={batch_size} must be a multiple of the number of processes, {process_count}"
        )
    if len(dataset) < batch_size:
        raise ValueError(
            f"the dataset has {len(dataset)} samples, fewer than a batch of {batch_size}: lower config.batch_size, "
            "or record more"
        )
    parts: list[tuple[Any, float]] = getattr(dataset, "parts", [(dataset, 1.0)])
    if len(parts) > 1 and num_epochs is not None:
        raise ValueError(f"num_epochs is {num_epochs}: a mixture has no epochs, its datasets end at different times")
    local = batch_size // process_count
    read = _Batches(
        [part for part, _ in parts],
        transform,
        order.Order([len(part) for part, _ in parts], [weight for _, weight in parts], seed=seed, shuffle=shuffle),
        stride=batch_size,
        places=range(process_index * local, (process_index + 1) * local),
        seed=seed,
    )
    stop = sys.maxsize if num_epochs is None else len(dataset) * num_epochs // batch_size
    threads = automatic_threads(dataset) if num_threads == AUTOMATIC else num_threads
    ahead = threads + 1 if read_ahead is None else read_ahead
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead if threads else 0)
    if (
        num_workers and not flags.FLAGS.is_parsed()
    ):  # Grain's workers read flags, which only programs built on absl parse
        flags.FLAGS.mark_as_parsed()

    def iterate(start: int) -> grain.DatasetIterator:
        stream = grain.MapDataset.range(min(start, stop), stop).map(read).to_iter_dataset(options)
        if num_workers:
            stream = stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers))
        return iter(stream)

    facts = {
        "seed": seed,
        "batch_size": batch_size,
        "shuffle": shuffle,
        "datasets": [_identity(*part) for part in parts],
    }
    return Loader(read, iterate, facts)


def automatic_threads(dataset: dataset_lib.Dataset) -> int:
    """The threads that read a dataset best: decoding takes all processors of this process, mapped memory is copied by one."""
    parts: list[tuple[Any, float]] = getattr(dataset, "parts", [(dataset, 1.0)])
    return 1 if all(getattr(part, "decoded", False) for part, _ in parts) else len(os.sched_getaffinity(0))


class _Batches:
    """Number of a batch → this process's part of it."""

    def __init__(
        self,
        datasets: list[Any],
        transform: Transform,
        sequence: order.Order,
        *,
        stride: int,
        places: range,
        seed: int,
    ) -> None:
        self._datasets, self._transform, self._order = datasets, transform, sequence
        self._sampled = [isinstance(dataset, dataset_lib.Sampled) for dataset in datasets]
        self._stride, self._places, self._seed = stride, places, seed

    def __call__(self, number: int) -> Sample:
        first = number * self._stride
        samples = (self._transform(self._read(first + place)) for place in self._places)
        return collate.collate(samples, len(self._places))

    def origins(self, number: int) -> list[origin_lib.Origin]:
        """Of the samples of the batch with that number."""
        places = [self._order[number * self._stride + place] for place in self._places]
        return [origin_lib.of(dataset, self._datasets[dataset], row) for dataset, row in places]

    def _read(self, at: int) -> Sample:
        number, row = self._order[at]
        dataset = self._datasets[number]
        if self._sampled[number]:
            return dataset.sample(row, np.random.default_rng((self._seed, at)))
        return dataset[row]


def _identity(dataset: Any, weight: float) -> dict[str, Any]:
    recorded = hasattr(dataset, "read_tables")
    return {
        "frames": len(dataset),
        "fingerprint": fingerprint.fingerprint(dataset) if recorded else None,
        "weight": weight,
    }
