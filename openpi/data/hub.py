"""LeRobot datasets of the Hugging Face Hub by their repository's name, kept by the asset store."""

import contextlib
import functools
import os
import pathlib
import re
from collections.abc import Callable

from openpi.checkpoints.assets import asset_store
from openpi.checkpoints.assets import limits as limits_lib
from openpi.data.lerobot import info as lerobot_info

# LeRobot tags a dataset with the version of its format; the newest of these that a repository has is taken.
VERSIONS = ("v3.0", "v2.1", "v2.0")

_DEFAULT_LIMITS = limits_lib.Limits()
_REPO_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def fetch(
    repo_id: str,
    *,
    revision: str = "",
    root: str | os.PathLike[str] | None = None,
    force: bool = False,
    limits: limits_lib.Limits = _DEFAULT_LIMITS,
) -> pathlib.Path:
    """The folder of a dataset, downloaded first if need be: its meta, data and videos, and nothing else.

    What is complete here touches no network, so a branch stays as it was fetched until `force`.

    Args:
      repo_id: "owner/name".
      revision: a branch, tag or commit; empty: the tag of the newest format that there is, else `main`.
      root: a dataset recorded on this machine goes before the Hub's, unless a revision is asked for.
      force: ask the Hub, although it is complete here.
      limits: how patient to be.

    Raises:
      FileNotFoundError: there is no such dataset; or this is offline, and it is not complete here.
      ValueError: `repo_id` names no repository, or what lies there is no LeRobot dataset.
      OSError: it cannot be downloaded or stored.
    """
    check_repo_id(repo_id)
    if root is not None and not revision and (pathlib.Path(root) / lerobot_info.INFO_PATH).is_file():
        return pathlib.Path(root)
    revisions = (revision,) if revision else (*VERSIONS, "main")
    for known in () if force else revisions:
        with contextlib.suppress(FileNotFoundError):
            here = functools.partial(asset_store.fetch, offline=True)
            return _rest(here, here(f"{_url(repo_id, known)}/meta"), _url(repo_id, known))
    online = functools.partial(asset_store.fetch, force=force, limits=limits)
    hint = "; or set config.data.root to the folder of one" if root is not None else ""
    missing = FileNotFoundError()
    for known in revisions:
        try:
            meta = online(f"{_url(repo_id, known)}/meta")
        except FileNotFoundError as error:  # no such tag: the next one
            missing = error
            continue
        except ConnectionError as error:
            raise ConnectionError(f"no LeRobot dataset {repo_id!r} here, and {error}{hint}") from error
        return _rest(online, meta, _url(repo_id, known))
    raise FileNotFoundError(f"no LeRobot dataset {repo_id!r}: {missing}{hint}") from missing


def check_repo_id(repo_id: str) -> None:
    """Raises ValueError: `repo_id` is no name of a repository."""
    if not _REPO_ID.fullmatch(repo_id):
        raise ValueError(f"dataset {repo_id!r} is no repository of the Hub: give OWNER/NAME")


def _rest(fetch_url: Callable[[str], pathlib.Path], meta: pathlib.Path, url: str) -> pathlib.Path:
    info = lerobot_info.load(meta.parent)  # before gigabytes of anything else
    videos = any(feature.dtype == "video" for feature in info.features.values())
    for part in ("data", "videos") if videos else ("data",):
        fetch_url(f"{url}/{part}")
    return meta.parent


def _url(repo_id: str, revision: str) -> str:
    name = revision if revision.startswith("refs/") else revision.replace("/", "%2F")
    return f"hf://datasets/{repo_id}@{name}"
