"""Reads in flight: as many at once as a bound on their memory allows, finished in the order in which they began."""

import collections
import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tqdm

_BAR_AFTER_S = 2.0


@dataclasses.dataclass(frozen=True)
class Read:
    """A read that has not begun.

    Attributes:
      start: begins it; returns futures, whose `result()` waits.
      cost: bytes of memory that it holds from its start.
      release: bytes that are free again when its result has been used.
      nbytes: its progress.
      then: what comes of it, given the futures' results.
      alone: whether all before it must be finished and used first.
    """

    start: Callable[[], Sequence[Any]]
    cost: int
    release: int
    nbytes: int
    then: Callable[[list[Any]], Any]
    alone: bool = False


def run(reads: Iterable[Read], *, limit: int, title: str, total: int) -> Iterator[Any]:
    """Yields what comes of each read. Let go of it before asking for the next, whose memory may be its.

    Args:
      reads: in order; taken one by one.
      limit: bytes that they may hold together; a read that costs more runs when no other does.
      title: of the progress bar, which appears on a terminal when it takes long.
      total: bytes to be read, for the bar.
    """
    pending: collections.deque[tuple[Read, Sequence[Any]]] = collections.deque()
    used = 0
    with tqdm.tqdm(
        total=total,
        desc=title,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        delay=_BAR_AFTER_S,
        disable=not sys.stderr.isatty(),
    ) as bar:
        for read in reads:
            while pending and (read.alone or used + read.cost > limit):
                used -= pending[0][0].release
                yield _finish(*pending.popleft(), bar)
            pending.append((read, read.start()))
            used += read.cost
            del read
        while pending:
            yield _finish(*pending.popleft(), bar)


def _finish(read: Read, futures: Sequence[Any], bar: tqdm.tqdm) -> Any:
    results = [future.result() for future in futures]
    bar.update(read.nbytes)
    return read.then(results)
