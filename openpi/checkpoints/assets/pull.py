"""Brings one asset into the cache: lists it, keeps what is here and right, downloads the rest, installs it."""

import asyncio
import errno
import logging
import shutil
from collections.abc import Sequence

import aiohttp

from openpi.checkpoints.assets import address as address_lib
from openpi.checkpoints.assets import (
    cache,
    download,
    expiry,
    gs_store,
    hf_store,
    http_store,
    install,
    manifest,
    progress,
    remote_file,
    reuse,
    staging,
    transient,
)
from openpi.checkpoints.assets import limits as limits_lib

_LOGGER = logging.getLogger("openpi")

_MOST_LISTINGS = 3  # an asset that changes under each of them cannot be had


async def pull(address: address_lib.Address, entry: cache.Entry, *, force: bool, limits: limits_lib.Limits) -> None:
    """Makes the asset complete. The caller holds its lock.

    Args:
      address: the asset.
      entry: its place in the cache.
      force: download what is complete as well.
      limits: how patient to be.

    Raises:
      OSError: it can't be had; one line that says why and what to do.
      ValueError: its listing cannot lie on a disk.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.stall_s, sock_read=limits.stall_s)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True, read_bufsize=1 << 20) as session:
            for _ in range(_MOST_LISTINGS):
                files = await _list(session, address, limits)
                try:
                    return await _fetch(session, files, address, entry, force=force, limits=limits)
                except download.ChangedError as error:
                    _LOGGER.info("%s changed while it was fetched (%s); listing it again", address.name, error)
                    change = str(error)
            raise OSError(f"{address.name} changes while it is fetched ({change}); run again later")
    except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
        raise transient.explain(error, address.store, address.name) from error


async def _list(
    session: aiohttp.ClientSession, address: address_lib.Address, limits: limits_lib.Limits
) -> list[remote_file.RemoteFile]:
    match address.store:
        case "gs":
            files = await gs_store.list_files(address, limits)
        case "hf":
            files = await hf_store.list_files(address, limits)
        case _:
            files = await http_store.list_files(session, address, limits)
    remote_file.check_listing(files, address.name)
    return files


async def _fetch(
    session: aiohttp.ClientSession,
    files: Sequence[remote_file.RemoteFile],
    address: address_lib.Address,
    entry: cache.Entry,
    *,
    force: bool,
    limits: limits_lib.Limits,
) -> None:
    stage = staging.Staging(entry.partial)
    cache.make_folder(stage.folder)
    await asyncio.to_thread(_remove_expired, entry)
    stage.keep_only(files)
    missing = await asyncio.to_thread(reuse.missing, files, entry, stage, force=force)
    if missing:
        await _download(session, missing, address, stage, limits)
    records = {}
    staged = set()
    for file in files:
        place = stage.place(file)
        if place.is_file():
            staged.add(reuse.key(entry, file))
        else:
            place = staging.place(entry.target, file)
        size = place.stat().st_size
        records[reuse.key(entry, file)] = manifest.Record(size=size, checksum=file.checksum, version=file.version)
    new = manifest.Manifest(url=address.name, key=entry.key, files=records)
    await asyncio.to_thread(install.install, entry, stage.tree, new, staged)


def _remove_expired(entry: cache.Entry) -> None:
    """Removes a copy by the published program that is too old; where there is a manifest, checksums decide."""
    vouched = any(manifest.covering(entry.root, entry.key)) or any(manifest.within(entry.root, entry.key))
    if entry.target.exists() and not vouched and expiry.expired(entry.key, entry.target.stat().st_mtime):
        _LOGGER.info("%s is out of date; fetching it anew", entry.target)
        install.remove(entry.target)


async def _download(
    session: aiohttp.ClientSession,
    files: Sequence[remote_file.RemoteFile],
    address: address_lib.Address,
    stage: staging.Staging,
    limits: limits_lib.Limits,
) -> None:
    here = sum(download.resumable_bytes(file, stage.part(file)) for file in files)
    total = sum(file.size or 0 for file in files)
    free = shutil.disk_usage(stage.folder).free
    if total - here > free:
        need = f"{progress.size(total - here)}, and {stage.folder.parent} has {progress.size(free)} free"
        raise OSError(errno.ENOSPC, f"{address.name} needs {need}; free some space, or set OPENPI_DATA_HOME elsewhere")
    slots = asyncio.Semaphore(limits.parallel)

    async def one(file: remote_file.RemoteFile) -> None:
        name = f"{address.name}/{file.path}" if file.path else address.name
        job = download.Job(file=file, part=stage.part(file), name=name, advance=bar.advance)
        async with slots:
            await download.download(session, job, limits)
        stage.place(file).parent.mkdir(parents=True, exist_ok=True)
        job.part.replace(stage.place(file))

    with progress.Progress(address.name, total=total, initial=here) as bar:
        try:
            async with asyncio.TaskGroup() as group:
                for file in files:
                    group.create_task(one(file))
        except ExceptionGroup as errors:  # one failed, and the others were stopped
            raise errors.exceptions[0] from None
