"""Reads stored arrays into host memory, with a bounded number of bytes on the way.

An array is read in boxes that follow its stored chunks, so that no chunk is decoded twice. A box is cast while it is
copied to its place: there is never a second copy of an array, and not even one in its stored type.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorstore as ts

from openpi.checkpoints import read_ahead, stored_tree

IN_FLIGHT_BYTES = 1 << 30

_BOX_BYTES = 64 << 20
_COPIES = 2  # a block is in memory as it is on disk, and decoded

Box = tuple[slice, ...]


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
    reads = itertools.chain.from_iterable(
        _reads(array, np.dtype(dtype), in_flight_bytes) for array, dtype in zip(arrays, dtypes, strict=True)
    )
    total = sum(array.nbytes for array in arrays)
    yield from filter(_is_array, read_ahead.run(reads, limit=in_flight_bytes, title=title, total=total))


def read_blocks(
    groups: Sequence[Sequence[stored_tree.StoredArray]], *, title: str, in_flight_bytes: int = IN_FLIGHT_BYTES
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yields pieces of arrays, in their stored types: no array is ever held as a whole.

    Args:
      groups: arrays of one shape that are read side by side, e.g. to compare them; a group may have one array.
      title: of the progress bar.
      in_flight_bytes: bound for the pieces being read.

    Yields:
      The index of the group, and the same piece of each of its arrays. Pieces of a group follow each other.

    Raises:
      ValueError or others of `stored_tree.DAMAGE`: as `read`.
    """
    reads = itertools.chain.from_iterable(_block_reads(index, group) for index, group in enumerate(groups))
    total = sum(array.nbytes for group in groups for array in group)
    yield from read_ahead.run(reads, limit=in_flight_bytes, title=title, total=total)


def boxes(shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int) -> list[Box]:
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


def _reads(array: stored_tree.StoredArray, dtype: np.dtype, limit: int) -> Iterator[read_ahead.Read]:
    """The reads of an array; of the last comes the array, of the others nothing."""
    host = np.empty(array.shape, dtype)  # takes memory as it is filled
    # A large array is not begun ahead of others: it may be the one that is beyond the limit.
    large = host.nbytes > limit // 2
    held = 0 if large else host.nbytes
    parts = boxes(array.shape, array.chunks, array.dtype.itemsize)
    if not parts:
        yield read_ahead.Read(start=tuple, cost=0, release=0, nbytes=0, then=_giving(host))
        return
    source = array.store if dtype == array.dtype else ts.cast(array.store, ts.dtype(dtype))
    target = ts.array(host)
    for box in parts:
        nbytes = _elements(box) * array.dtype.itemsize
        first, last = box is parts[0], box is parts[-1]
        yield read_ahead.Read(
            start=_starting(target, source, box),
            cost=_COPIES * nbytes + (held if first else 0),
            release=_COPIES * nbytes + (held if last else 0),
            nbytes=nbytes,
            then=_giving(host if last else None),
            alone=large and first,
        )


def _block_reads(index: int, group: Sequence[stored_tree.StoredArray]) -> Iterator[read_ahead.Read]:
    itemsize = sum(array.dtype.itemsize for array in group)
    chunks = tuple(math.lcm(*sizes) for sizes in zip(*(array.chunks for array in group), strict=True))
    for box in boxes(group[0].shape, chunks, itemsize):
        nbytes = _elements(box) * itemsize
        yield read_ahead.Read(
            start=lambda box=box: [array.store[box].read() for array in group],
            cost=_COPIES * nbytes,
            release=_COPIES * nbytes,
            nbytes=nbytes,
            then=lambda blocks: (index, blocks),
        )


def _starting(target: ts.TensorStore, source: ts.TensorStore, box: Box) -> Callable[[], list[Any]]:
    return lambda: [target[box].write(source[box])]


def _giving(host: np.ndarray | None) -> Callable[[list[Any]], np.ndarray | None]:
    return lambda _: host


def _is_array(value: np.ndarray | None) -> bool:
    return value is not None


def _elements(box: Box) -> int:
    return math.prod(part.stop - part.start for part in box)
