"""The largest batch that fits, in few tries: each is a compilation."""

from collections.abc import Callable

_MOST_TRIES = 12


def largest(need: Callable[[int], int], limit: int, *, step: int, first: int) -> int:
    """The largest multiple of `step` whose need is within the limit, 0 if there is none.

    What a program needs is the most of what it needs at its moments, and each of these grows evenly with the batch: the
    need bends upwards, if at all. Hence a line through two batches tells from below what larger ones need, and from above
    what those between need. What is returned was asked for, and is within the limit.

    Args:
      need: bytes, of a multiple of `step`; bends upwards.
      limit: bytes.
      step: the smallest batch.
      first: the batch to begin with, a multiple of `step`.
    """
    known = {first: need(first)}
    while len(known) < _MOST_TRIES:
        fits = max((batch for batch in known if known[batch] <= limit), default=0)
        too_large = min((batch for batch in known if known[batch] > limit), default=None)
        if too_large == fits + step or _must_be_too_large(known, fits + step, limit):
            return fits
        following = _next(known, fits, too_large, limit, step)
        known[following] = need(following)
    return max((batch for batch in known if known[batch] <= limit), default=0)


def _next(known: dict[int, int], fits: int, too_large: int | None, limit: int, step: int) -> int:
    """A batch between those that fit and those that are too large, most likely the largest that fits."""
    if too_large is None:
        smaller = [batch for batch in known if batch < fits]
        if not smaller:
            return 2 * fits
        guess = _where(known, max(smaller), fits, limit)
        return max(min(_down(guess, step), 8 * fits), fits + step)
    if not fits:
        larger = [batch for batch in known if batch > too_large]
        guess = _where(known, too_large, min(larger), limit) if larger else too_large // 2
        return min(max(_down(guess, step), step), too_large - step)
    guess = _where(known, fits, too_large, limit)
    return min(max(_down(guess, step), fits + step), too_large - step)


def _must_be_too_large(known: dict[int, int], batch: int, limit: int) -> bool:
    """Whether a line through the two largest batches below leaves no doubt."""
    below = sorted(size for size in known if size < batch)[-2:]
    return len(below) == 2 and _line(known, below[0], below[1], batch) > limit


def _where(known: dict[int, int], a: int, b: int, limit: int) -> float:
    """Where the line through two batches reaches the limit; far away if it never does."""
    rise = (known[b] - known[a]) / (b - a)
    return a + (limit - known[a]) / rise if rise > 0 else float(2**40)


def _line(known: dict[int, int], a: int, b: int, batch: int) -> float:
    return known[a] + (known[b] - known[a]) / (b - a) * (batch - a)


def _down(batch: float, step: int) -> int:
    return int(batch // step) * step
