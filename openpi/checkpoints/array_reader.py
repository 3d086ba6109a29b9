"""Reads stored arrays into host memory one after the other, with a bounded number of bytes on the way.

An array is read in boxes that follow its stored chunks, so that no chunk is decoded twice. A box is cast while it is
copied to its place: there is never a second copy of an array, and not even one in its stored type.
"""

import collections
import dataclasses
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorstore as ts
import tqdm

from openpi.checkpoints import stored_tree

IN_FLIGHT_BYTES = 1 << 30

_BOX_BYTES = 64 << 20
_BLOCK_COPIES = 2  # a block is in memory as it is on disk, and decoded
_BAR_AFTER_S = 2.0


def read(
    arrays: Sequence[stored_tree.StoredArray],
    dtypes: Sequence[np.typing.DTypeLike],
    *,
    title: str,
    in_flight_bytes: int = IN_FLIGHT_BYTES,
) -> Iterator[np.ndarray]:
    """Yields the arrays, each in its dtype, in the given order.

    Let go of an array before asking for the next: what is held beyond the largest single array is then at most
    `in_flight_bytes` (a chunk that is larger is read alone).

    Args:
      arrays: what to read.
      dtypes: what each is cast to.
      title: of the progress bar, which appears on a terminal when reading takes long.
      in_flight_bytes: bound for the blocks being read and decoded, and for arrays that were begun ahead.

    Raises:
      ValueError or others of `stored_tree.DAMAGE`: the files are not what the description says.
    """
    bar = tqdm.tqdm(
        total=sum(array.nbytes for array in arrays),
        desc=title,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        delay=_BAR_AFTER_S,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        window = _Window(in_flight_bytes, bar)
        for array, dtype in zip(arrays, dtypes, strict=True):
            yield from window.begin(array, np.dtype(dtype))
        yield from window.drain()


def boxes(shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int) -> list[tuple[slice, ...]]:
    """Cuts an array into boxes of whole chunks, each of about 64 MiB, or one chunk if that is larger.

    Returns:
      Boxes in row-major order; none for an array without elements.
    """
    if 0 in shape:
        return []
    steps = [min(chunk, size) for chunk, size in zip(chunks, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        fits = max(1, _BOX_BYTES // (math.prod(steps) * itemsize))
        whole = math.prod(steps) // steps[axis] * shape[axis] * itemsize <= _BOX_BYTES
        steps[axis] = shape[axis] if whole else min(steps[axis] * fits, shape[axis])
    starts = itertools.product(*(range(0, size, step) for size, step in zip(shape, steps, strict=True)))
    return [
        tuple(slice(at, min(at + step, size)) for at, step, size in zip(start, steps, shape, strict=True))
        for start in starts
    ]


class _Window:
    """Reads in flight, oldest first, and what they hold in memory."""

    def __init__(self, limit: int, bar: tqdm.tqdm):
        self._limit = limit
        self._bar = bar
        self._used = 0
        self._reads: collections.deque[_Read] = collections.deque()

    def begin(self, array: stored_tree.StoredArray, dtype: np.dtype) -> Iterator[np.ndarray]:
        """Starts to read an array; yields earlier ones that had to be finished to make room."""
        host_bytes = array.size * dtype.itemsize
        if host_bytes > self._limit // 2:  # not begun ahead of others: it may be the largest, which is beyond the limit
            yield from self.drain()
            host_bytes = 0
        host = np.empty(array.shape, dtype)
        parts = boxes(array.shape, array.chunks, array.dtype.itemsize)
        if not parts:
            self._reads.append(_Read(None, 0, 0, host))
            return
        target = ts.array(host)
        source = array.store if dtype == array.dtype else ts.cast(array.store, ts.dtype(dtype))
        for box in parts:
            nbytes = math.prod(part.stop - part.start for part in box) * array.dtype.itemsize
            held = _BLOCK_COPIES * nbytes
            cost = held + (host_bytes if box is parts[0] else 0)
            while self._reads and self._used + cost > self._limit:
                yield from self._finish_oldest()
            self._used += cost
            future = target[box].write(source[box])
            if box is parts[-1]:
                self._reads.append(_Read(future, nbytes, held + host_bytes, host))
            else:
                self._reads.append(_Read(future, nbytes, held, None))

    def drain(self) -> Iterator[np.ndarray]:
        """Finishes all reads."""
        while self._reads:
            yield from self._finish_oldest()

    def _finish_oldest(self) -> Iterator[np.ndarray]:
        read = self._reads.popleft()
        if read.future is not None:
            read.future.result()
        self._bar.update(read.nbytes)
        released, whole = read.released, read.whole
        del read
        if whole is not None:
            yield whole
            del whole
        self._used -= released


@dataclasses.dataclass(frozen=True)
class _Read:
    """A box on its way: its bytes as stored, what its end releases, and its array if it is that array's last."""

    future: Any
    nbytes: int
    released: int
    whole: np.ndarray | None
