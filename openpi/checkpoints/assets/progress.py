"""What a person sees of a download: a bar of bytes on a terminal, a line at each end elsewhere."""

import logging
import sys
import time
from typing import Self

import tqdm

_LOGGER = logging.getLogger("openpi")


def size(count: float) -> str:
    """`12.3GiB`."""
    return f"{tqdm.tqdm.format_sizeof(count, divisor=1024)}{'iB' if count >= 1000 else 'B'}"


class Progress:
    """Counts the bytes of one asset. Use it as a context manager.

    Args:
      name: the asset.
      total: bytes in all; 0 if unknown.
      initial: bytes that are here already.
    """

    def __init__(self, name: str, *, total: int, initial: int):
        self._name = name
        self._began = time.monotonic()
        self._received = 0
        known = f": {size(total)}" if total else ""
        here = f", {size(initial)} of them here already" if initial else ""
        _LOGGER.info("fetching %s%s%s", name, known, here)
        self._bar = tqdm.tqdm(
            total=total or None,
            initial=initial,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            desc=name.rstrip("/").rpartition("/")[2],
            dynamic_ncols=True,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
        )

    def advance(self, count: int) -> None:
        """Counts bytes that came, or, below 0, that were thrown away to begin anew."""
        self._received += max(count, 0)
        self._bar.update(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *rest: object) -> None:
        self._bar.close()
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = f"{size(self._received)} in {seconds:.1f} s, {size(self._received / seconds)}/s"
        _LOGGER.info("%s %s: %s", "fetched" if kind is None else "stopped fetching", self._name, rate)
