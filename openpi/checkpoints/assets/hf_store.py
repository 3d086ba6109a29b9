"""hf://: a file or a folder of a Hugging Face repository, at the commit that the revision names when it is listed."""

import asyncio
import concurrent.futures
import os
import re
import threading
from collections.abc import Callable
from typing import TypeVar

import huggingface_hub
from huggingface_hub import errors, hf_api, utils

from openpi.checkpoints.assets import address as address_lib
from openpi.checkpoints.assets import limits as limits_lib
from openpi.checkpoints.assets import remote_file, transient

_T = TypeVar("_T")


async def list_files(address: address_lib.Address, limits: limits_lib.Limits) -> list[remote_file.RemoteFile]:
    """The file at `address`, or all files of the folder or repository.

    Raises:
      FileNotFoundError: there is neither.
      PermissionError: the account, if any, may not read it.
      ConnectionError, TimeoutError: the Hub does not answer.
    """
    async with asyncio.timeout(limits.listing_s):
        async for attempt in transient.retrying(limits, address.name):
            with attempt:
                return await _in_daemon_thread(lambda: _list(address, limits))
    raise AssertionError("retrying ends with a result or an error")


def _list(address: address_lib.Address, limits: limits_lib.Limits) -> list[remote_file.RemoteFile]:
    try:
        return _list_commit(address_lib.hugging_face(address.url), limits)
    except (errors.EntryNotFoundError, errors.RevisionNotFoundError):
        raise FileNotFoundError(f"{address.name}: the repository has no such path or revision; check them") from None
    except errors.GatedRepoError:
        raise PermissionError(f"{address.name} needs consent: accept the terms on its page, and set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise FileNotFoundError(f"{address.name} does not exist or is private; check it, or set HF_TOKEN") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if 400 <= status < 500 and status not in transient.STATUS:
            raise PermissionError(f"{address.name} may not be read (HTTP {status}); check HF_TOKEN") from None
        raise ConnectionError(f"the Hub answers HTTP {status}") from None
    except OSError as error:  # of the Hub's own transport, whose text nests several errors
        said = re.findall(r"\w+Error\(\"[^\"]*: ([^\"]+)\"", str(error))
        raise ConnectionError(f"the Hub cannot be reached: {said[-1] if said else transient.reason(error)}") from None


def _list_commit(where: address_lib.HuggingFacePath, limits: limits_lib.Limits) -> list[remote_file.RemoteFile]:
    endpoint = os.environ.get("HF_ENDPOINT")
    api = hf_api.HfApi(endpoint=endpoint)
    # One commit for the listing and for every file: they fit together even if the branch moves on.
    commit = api.repo_info(where.repo, revision=where.revision, repo_type=where.kind, timeout=limits.stall_s).sha
    found = api.get_paths_info(where.repo, [where.path], revision=commit, repo_type=where.kind) if where.path else []
    if not found or isinstance(found[0], hf_api.RepoFolder):
        tree = api.list_repo_tree(where.repo, where.path, recursive=True, revision=commit, repo_type=where.kind)
        found = list(tree)
    headers = {name: value for name, value in utils.build_hf_headers().items() if value}
    return [
        remote_file.RemoteFile(
            path=item.path.removeprefix(where.path).removeprefix("/"),
            url=huggingface_hub.hf_hub_url(
                where.repo, item.path, repo_type=where.kind, revision=commit, endpoint=endpoint
            ),
            headers=headers,
            size=item.size,
            checksum=f"sha256:{item.lfs.sha256}" if item.lfs else f"git-sha1:{item.blob_id}",
        )
        for item in found
        if isinstance(item, hf_api.RepoFile)
    ]


async def _in_daemon_thread(function: Callable[[], _T]) -> _T:
    """The result of a function that may never return: neither the event loop nor the program's end waits for it."""
    future: concurrent.futures.Future = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def work() -> None:
        try:
            future.set_result(function())
        except Exception as error:  # noqa: BLE001 - raised where the future is awaited
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(future)
