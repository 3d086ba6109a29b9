"""Opens a generated LeRobot dataset of tables in this process, reads it, and measures both (Linux)."""

import pathlib
import re
import time
from typing import Any

import numpy as np

from openpi.data.lerobot import reader, writer

MIB = 1 << 20
FPS, WIDTH, HORIZON = 50, 14, 50  # of a robot with two arms; an action chunk of one second
_FEATURES = {key: {"dtype": "float32", "shape": [WIDTH], "names": None} for key in ("observation.state", "action")}
_BLOCK = 8192  # rows read at once: their chunks take 22 MiB


def write(root: pathlib.Path, version: str, num_episodes: int, num_frames: int) -> None:
    """Records random episodes of `num_frames` frames each in a LeRobot format ("v2.1" or "v3.0")."""
    rng = np.random.default_rng(0)
    with writer.LeRobotWriter(root, FPS, _FEATURES, version=version) as recorder:
        for episode in range(num_episodes):
            for state, action in rng.normal(size=(num_frames, 2, WIDTH)).astype(np.float32):
                recorder.add_frame({"observation.state": state, "action": action})
            recorder.save_episode(f"task {episode % 10}")


def measure(root: pathlib.Path, num_items: int) -> dict[str, Any]:
    """Opens the dataset once and reads `num_items` frames one by one in random order, then all frames in blocks.

    Returns:
      `open_s`, of which `open_cpu_s` of the processor; `read_files_s`, what reading the same files' bytes takes; `peak_mib` and `left_mib`, the
      memory that opening takes and the dataset keeps;
      `items_per_s`; `tables_s` for all frames in blocks, `copy_s` for copying as many bytes; `checksum` of all chunks.
    """
    started = time.perf_counter()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            path.read_bytes()
    read_files_s = time.perf_counter() - started
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, started, cpu_started = _resident_mib("VmRSS"), time.perf_counter(), time.process_time()
    dataset = reader.LeRobotDataset(root, delta_timestamps={"action": [i / FPS for i in range(HORIZON)]})
    open_s, open_cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    peak_mib, left_mib = _resident_mib("VmHWM") - before, _resident_mib("VmRSS") - before
    rows = np.random.default_rng(1).permutation(len(dataset))[:num_items]
    started = time.perf_counter()
    for row in rows.tolist():
        dataset[row]
    items_per_s = len(rows) / (time.perf_counter() - started)
    _check(dataset, rows[:100])
    tables_s, num_bytes, checksum = 0.0, 0, 0.0
    for start in range(0, len(dataset), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(dataset)))
        started = time.perf_counter()
        tables = dataset.read_tables(block)
        tables_s += time.perf_counter() - started
        num_bytes += sum(values.nbytes for values in tables.values())
        checksum += float(tables["action"].sum(dtype=np.float64))
    return {
        "open_s": open_s,
        "open_cpu_s": open_cpu_s,
        "read_files_s": read_files_s,
        "peak_mib": peak_mib,
        "left_mib": left_mib,
        "items_per_s": items_per_s,
        "tables_s": tables_s,
        "copy_s": _copy_s(num_bytes, -(-len(dataset) // _BLOCK)),
        "checksum": checksum,
    }


def _check(dataset: reader.LeRobotDataset, rows: np.ndarray) -> None:
    """Rows read at once must be the items read one by one."""
    tables = dataset.read_tables(rows)
    for place, row in enumerate(rows.tolist()):
        item = dataset[row]
        if any(not np.array_equal(values[place], item[key]) for key, values in tables.items()):
            raise RuntimeError(f"row {row} read with others differs from the item")


def _copy_s(num_bytes: int, num_blocks: int) -> float:
    source = np.ones(num_bytes // num_blocks // 4, np.float32)
    started = time.perf_counter()
    for _ in range(num_blocks):
        copied = source.copy()  # the one before is kept meanwhile, as results are
    del copied
    return time.perf_counter() - started


def _resident_mib(field: str) -> float:
    """MiB of this process: now (VmRSS) or at most (VmHWM)."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.findall(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[0]) * 1024 / MIB
