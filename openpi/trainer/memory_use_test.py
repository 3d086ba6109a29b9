import jax
import numpy as np
import pytest

from openpi.trainer import memory_use


class Device:
    def __init__(self, stats):
        self._stats = stats

    def memory_stats(self):
        return self._stats


def test_what_this_process_holds():
    before = memory_use.now()
    kept = np.ones(1 << 26)  # half a GiB
    after = memory_use.now()
    assert after.used_gib - before.used_gib == pytest.approx(0.5, abs=0.1) and kept[0] == 1
    assert after.limit_gib is None and str(after) == f"memory {after.used_gib:.1f} GiB"


def test_devices_that_tell_tell_of_the_fullest(monkeypatch):
    stats = [{"peak_bytes_in_use": gib << 30, "bytes_in_use": 1, "bytes_limit": 80 << 30} for gib in (3, 31, 7)]
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(entry) for entry in stats])
    assert memory_use.now() == (31.0, 80.0) and str(memory_use.now()) == "memory 31.0 of 80.0 GiB"
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(stats[0]), Device(None)])
    assert memory_use.now() == (3.0, 80.0)
