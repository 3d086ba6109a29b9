"""How much memory training takes: of the device where it tells, else of this process."""

import os
import pathlib
from typing import NamedTuple

import jax

_GIB = 1 << 30


class MemoryUse(NamedTuple):
    """In GiB.

    Attributes:
      used_gib: of the fullest of this process's devices, the most that it held at a time so far; without one that tells, what
        this process holds in memory now.
      limit_gib: what that device has to give; None without one.
    """

    used_gib: float
    limit_gib: float | None

    def __str__(self) -> str:
        of = "" if self.limit_gib is None else f" of {self.limit_gib:.1f}"
        return f"memory {self.used_gib:.1f}{of} GiB"


def now() -> MemoryUse:
    """Asks the devices of this process, else the operating system."""
    told = [stats for stats in (device.memory_stats() for device in jax.local_devices()) if stats]
    if told and all("peak_bytes_in_use" in stats for stats in told):
        fullest = max(told, key=lambda stats: stats["peak_bytes_in_use"])
        limit = fullest.get("bytes_limit")
        return MemoryUse(fullest["peak_bytes_in_use"] / _GIB, None if limit is None else limit / _GIB)
    pages = int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return MemoryUse(pages * os.sysconf("SC_PAGE_SIZE") / _GIB, None)
