"""The index of an RLDS dataset, made in one pass over its files.

```
<index_dir>/<name>-<version>-<place>/parts/<file>-<key>.npz    of each file that has been read, while the pass lasts
<index_dir>/<name>-<version>-<place>/<fingerprint>/            the index
```
A step of DROID takes 137 bytes, its 27 million steps 3.7 GB, beside files of 1.7 TB. A pass that was stopped goes on with
the files that it had not read. The fingerprint is of the files' names, sizes and times: a changed dataset is read anew.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import logging
import multiprocessing
import os
import pathlib
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence

import filelock
import numpy as np
import tqdm

from openpi.data.rlds import episode as rlds_episode
from openpi.data.rlds import index, index_part, tfds_info

_VERSION = 1  # of the index's own format
_SMALL = 1 << 30  # bytes that this process reads alone: starting others takes longer
_MAX_PROCESSES = 16  # each imports the program that it was started from
_LOGGER = logging.getLogger("openpi")
_Job = tuple[pathlib.Path, pathlib.Path, rlds_episode.Layout, int, bool]  # arguments of index_part.write


def open_or_build(
    info: tfds_info.Info,
    layout: rlds_episode.Layout,
    index_dir: pathlib.Path,
    *,
    check_data: bool = True,
    num_processes: int | None = None,
) -> index.Index:
    """The index of a dataset, made first if it is not there. Shows a progress bar on a terminal.

    Args:
      info: the dataset.
      layout: what is read of it.
      index_dir: for the indices of all datasets.
      check_data: verify the checksums of all contents while reading them.
      num_processes: None means as many as this process may use CPUs, at most 16, or one where little is left to read.

    Raises:
      ValueError: the dataset lacks a feature, or a file is damaged; names file and record.
    """
    layout.check(info)
    place = hashlib.sha256(str(info.folder.resolve()).encode()).hexdigest()[:12]
    home = index_dir / f"{info.folder.parent.name}-{info.folder.name}-{place}"
    folder = home / _fingerprint(info.files, layout)
    if not folder.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(home / "lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            _LOGGER.info("another process is indexing %s: waiting for it", info.name)
            lock.acquire()
        try:
            if not folder.is_dir():  # another process may have made it meanwhile
                _build(info, layout, folder, check_data, num_processes)
        finally:
            lock.release()
    return index.Index(folder, info, layout)


def _build(
    info: tfds_info.Info, layout: rlds_episode.Layout, folder: pathlib.Path, check_data: bool, processes: int | None
) -> None:
    parts = folder.parent / "parts"
    parts.mkdir(exist_ok=True)
    files = {path: parts / f"{path.name}-{_fingerprint([path], layout)}.npz" for path in info.files}
    for stale in [
        *folder.parent.iterdir(),
        *parts.iterdir(),
    ]:  # of other contents, or left by a process that was killed
        if stale.is_dir() and stale != parts:
            shutil.rmtree(stale)
        elif stale.parent == parts and stale not in files.values():
            stale.unlink()
    jobs = [
        (path, part, layout, count, check_data)
        for (path, part), count in zip(files.items(), info.num_records)
        if not part.is_file()
    ]
    sizes = {path: path.stat().st_size for path in info.files}
    total, left = sum(sizes.values()), sum(sizes[path] for path, *_ in jobs)
    text = f"indexing {info.name} ({total / 2**30:.1f} GiB, once)"
    with tqdm.tqdm(
        total=total, initial=total - left, desc=text, unit="B", unit_scale=True, disable=not sys.stderr.isatty()
    ) as progress:
        for path in _run(
            jobs, processes or (1 if left < _SMALL else min(len(os.sched_getaffinity(0)), _MAX_PROCESSES))
        ):
            progress.update(sizes[path])
    _merge(info, list(files.values()), folder)
    shutil.rmtree(parts)
    size = sum(path.stat().st_size for path in folder.iterdir())
    _LOGGER.info("index of %s: %.1f MiB at %s", info.name, size / 2**20, folder)


def _run(jobs: Sequence[_Job], processes: int) -> Iterator[pathlib.Path]:
    if processes == 1 or len(jobs) < 2:
        for job in jobs:
            yield index_part.write(*job)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
    pool = concurrent.futures.ProcessPoolExecutor(min(processes, len(jobs)), context)
    # Ctrl-C is for this process: the others, begun here, never see it. They finish their files, which are kept.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        started = [pool.submit(index_part.write, *job) for job in jobs]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        for done in concurrent.futures.as_completed(started):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _merge(info: tfds_info.Info, parts: Sequence[pathlib.Path], folder: pathlib.Path) -> None:
    """One array each out of those of the parts, one part in memory at a time."""
    lengths = [_part_lengths(part) for part in parts]
    stop = np.concatenate(lengths).cumsum()
    if not len(stop) or not stop[-1]:
        raise ValueError(f"dataset {info.folder} has no steps: fetch it again")
    file = np.repeat(np.arange(len(parts)), [len(part) for part in lengths])
    record = np.concatenate([np.arange(len(part)) for part in lengths])
    partial = folder.with_name(f".{folder.name}.partial-{uuid.uuid4().hex[:8]}")
    partial.mkdir()
    try:
        np.save(partial / "episodes.npy", np.stack([stop - np.concatenate(lengths), stop, file, record], axis=1))
        described = _merge_columns(partial, parts, int(stop[-1]))
        (partial / "texts.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
        for path in partial.iterdir():
            with path.open("rb") as file_on_disk:
                os.fsync(file_on_disk.fileno())
        partial.rename(folder)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}, while the index was written", str(folder)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _part_lengths(part: pathlib.Path) -> np.ndarray:
    with np.load(part, allow_pickle=False) as arrays:
        return arrays["lengths"]


def _merge_columns(folder: pathlib.Path, parts: Sequence[pathlib.Path], total: int) -> dict[str, list]:
    """Written, not mapped: a disk that is full is an error then, and no signal that ends the program."""
    texts: dict[str, int] = {}
    metadata: list[list[str]] = []
    with contextlib.ExitStack() as stack:
        outs = {key: stack.enter_context((folder / f"{key}.npy").open("wb")) for key in index_part.COLUMNS}
        for number, part in enumerate(parts):
            with np.load(part, allow_pickle=False) as arrays:
                described = json.loads(arrays["described"].tobytes())
                ids = np.array([texts.setdefault(text, len(texts)) for text in described["texts"]], np.int32)
                metadata += described["metadata"]
                for key, out in outs.items():
                    values = ids[arrays[key]] if key == "text" else arrays[key]
                    if number == 0:
                        header = np.lib.format.header_data_from_array_1_0(values)
                        np.lib.format.write_array_header_1_0(out, header | {"shape": (total, values.shape[1])})
                    out.write(np.ascontiguousarray(values).data)
    return {"texts": list(texts), "metadata": metadata}


def _fingerprint(files: Sequence[pathlib.Path], layout: rlds_episode.Layout) -> str:
    digest = hashlib.sha256(f"rlds index {_VERSION} {layout}\n".encode())
    for path in files:
        stat = path.stat()
        digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
