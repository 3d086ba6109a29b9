"""One file over HTTP: resumed where it broke off, and checked before anyone sees it."""

import asyncio
import contextlib
import dataclasses
import errno
import os
import pathlib
from collections.abc import Callable, Iterator

import aiohttp

from openpi.checkpoints.assets import checksum, remote_file, transient
from openpi.checkpoints.assets import limits as limits_lib

_CHUNK = 1 << 20
# Ranges and sizes count the bytes of the file itself.
AS_STORED = {"Accept-Encoding": "identity"}


class ChangedError(OSError):
    """The file is no longer what the store listed."""


@dataclasses.dataclass(kw_only=True)
class Job:
    """A file, where its bytes are gathered, and who hears of them.

    Attributes:
      file: what to download.
      part: the path that grows; it outlives a failure, and its name changes when the remote file does.
      name: what to call the file in messages.
      advance: is told the bytes that came in; a negative number when some were thrown away.
      reached: the most bytes that the part ever had.
    """

    file: remote_file.RemoteFile
    part: pathlib.Path
    name: str
    advance: Callable[[int], object]
    reached: int = 0


def resumable_bytes(file: remote_file.RemoteFile, part: pathlib.Path) -> int:
    """How many bytes of `file` needn't be downloaded again: none if nothing tells whether it has changed since."""
    if not (file.checksum or file.version or file.validators) or not part.exists():
        return 0
    size = part.stat().st_size
    return size if file.size is None or size <= file.size else 0


async def download(session: aiohttp.ClientSession, job: Job, limits: limits_lib.Limits) -> None:
    """Completes `job.part`, and makes sure that it is what the store said.

    Raises:
      ChangedError: the file is no longer what was listed.
      aiohttp.ClientError, ConnectionError, TimeoutError: too many attempts brought nothing new.
      OSError: the content is wrong again and again, or the disk is full.
    """
    job.reached = resumable_bytes(job.file, job.part)
    wrong = 0
    async for attempt in transient.retrying(limits, job.name, lambda: job.reached):
        with attempt:
            try:
                await _append(session, job)
            finally:
                job.reached = max(job.reached, _size(job.part))
            if job.file.checksum and not await asyncio.to_thread(checksum.matches, job.part, job.file.checksum):
                _restart(job)
                wrong += 1
                error = OSError if wrong > 1 else transient.BrokenTransferError
                raise error(f"{job.name} does not have the checksum {job.file.checksum} that the store lists")
    await asyncio.to_thread(_flush, job.part)


async def _append(session: aiohttp.ClientSession, job: Job) -> None:
    """Adds what `job.part` lacks. Raises an error, and keeps what came, if the answer ends early."""
    offset = resumable_bytes(job.file, job.part)
    if offset != _size(job.part):
        _restart(job)
    if offset and offset == job.file.size:
        return
    headers = {**job.file.headers, **AS_STORED, **({"Range": f"bytes={offset}-"} if offset else {})}
    async with session.get(job.file.url, headers=headers) as response:
        if response.status == 416:  # there is nothing at this offset: the part is not of this file
            _restart(job)
            raise transient.BrokenTransferError(f"the file ends before byte {offset}")
        if response.status in (404, 410):
            raise ChangedError("a file that it listed is gone")
        response.raise_for_status()
        total = _check(response, job, offset)
        if response.status != 206:  # the server sends all of it, asked or not
            _restart(job)
        size = _size(job.part)
        with _clear_disk_error(job.name), job.part.open("ab") as out:
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if total is not None and size > total:
                    break
                out.write(chunk)
                out.flush()  # what a killed process has written is kept
                job.advance(len(chunk))
    if total is not None and size > total:
        _restart(job)
        raise transient.BrokenTransferError(f"the server sent more than the {total} bytes that it announced")
    if total is not None and size < total:
        raise transient.BrokenTransferError(f"the answer ended after {size} of {total} bytes")


def _check(response: aiohttp.ClientResponse, job: Job, offset: int) -> int | None:
    """The whole file's size as this answer has it; None if the end of its last chunk tells the end of the file."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise OSError(
            f"{job.name}: the server compresses it, so that it cannot be checked or resumed; use another address"
        )
    file = job.file
    for header, value in file.validators.items():
        if response.headers.get(header, value) != value:
            raise ChangedError(f"{header} was {value} and is {response.headers[header]}")
    total = response.content_length
    if response.status == 206:
        unit, _, content_range = response.headers.get("Content-Range", "").partition(" ")
        span, _, whole = content_range.partition("/")
        if unit != "bytes" or span.partition("-")[0] != str(offset):
            raise transient.BrokenTransferError(
                f"asked for bytes from {offset}, the server sends {unit} {content_range}"
            )
        total = int(whole) if whole.isdecimal() else file.size
    if None not in (total, file.size) and total != file.size:
        raise ChangedError(f"its size was {file.size} and is {total}")
    if total is None and file.size is None and response.headers.get("Transfer-Encoding") != "chunked":
        raise OSError(
            f"{job.name}: the server does not say where it ends, so that it cannot be checked; use another address"
        )
    return file.size if total is None else total


def _size(part: pathlib.Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _restart(job: Job) -> None:
    if size := _size(job.part):
        job.advance(-size)
        job.part.unlink()


def _flush(path: pathlib.Path) -> None:
    """Makes the file survive a power cut. An empty file may not be there yet."""
    with path.open("ab") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _clear_disk_error(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"the disk is full while fetching {name}; free some space and run again: what was fetched is kept"
        raise OSError(error.errno, message) from None
