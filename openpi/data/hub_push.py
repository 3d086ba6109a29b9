"""Uploads a dataset to the Hugging Face Hub, as LeRobot finds it there."""

import contextlib
import os
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import huggingface_hub
from huggingface_hub import errors, hf_api, utils

from openpi.data import hub, hub_card
from openpi.data.lerobot import reader

_PARTS = ("data", "videos", "meta")  # what a dataset consists of, and nothing else beside it is uploaded
_FILES_A_COMMIT = 2000


def push(
    root: str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool = False,
    tags: Sequence[str] = (),
    license: str = "apache-2.0",
    revision: str = "",
) -> str:
    """Uploads the dataset at `root` with a page that describes it, and tags it with the version of its format.

    The repository is made if need be; files of an earlier upload that the dataset no longer has are removed. A large
    dataset takes several commits, its `meta` last; files that were uploaded already are not sent again.

    Args:
      root: a finished dataset.
      repo_id: "owner/name".
      private: for a new repository: only its owner can see it.
      tags: words to find it by, beside "LeRobot".
      license: for its page.
      revision: a branch, made if need be; empty: `main`, and the tag (on another branch nothing is tagged, so that who
        loads the dataset by its name goes on getting that of `main`).

    Returns:
      The address of its page.

    Raises:
      FileNotFoundError, ValueError: there is no whole dataset at `root`; or the repository has one of a newer format.
      PermissionError: there is no token, or it may not write there.
      OSError: the Hub refuses, or cannot be reached.
    """
    root = pathlib.Path(root)
    hub.check_repo_id(repo_id)
    dataset = _checked(root)
    card = hub_card.render(
        repo_id,
        dataset.info,
        version=dataset.info.version,
        episodes=len(dataset.episodes),
        frames=len(dataset),
        tasks=dataset.tasks,
        license=license,
        tags=tags,
    )
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    files = [path for part in _PARTS for path in sorted((root / part).rglob("*")) if path.is_file()]
    api = hf_api.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    where: dict[str, Any] = {"repo_id": repo_id, "repo_type": "dataset"}
    with _explained(repo_id):
        url = str(api.create_repo(**where, private=private, exist_ok=True))
        if revision:
            api.create_branch(**where, branch=revision, exist_ok=True)
        else:
            _check_newest(api, where, dataset.info.version)
        where["revision"] = revision or "main"
        _commit(api, where, root, files, card)
        if not revision:
            with contextlib.suppress(errors.RevisionNotFoundError):
                api.delete_tag(repo_id, tag=dataset.info.version, repo_type="dataset")
            api.create_tag(**where, tag=dataset.info.version)
    return url


def check_login(repo_id: str) -> None:
    """Whether there is a token to push with.

    Raises:
      ValueError: `repo_id` names no repository.
      PermissionError: there is no token.
    """
    hub.check_repo_id(repo_id)
    if not huggingface_hub.get_token():
        raise PermissionError(
            f"pushing to {repo_id} needs a token that may write: set HF_TOKEN, or run `hf auth login`"
        )


def _checked(root: pathlib.Path) -> reader.LeRobotDataset:
    """The dataset, opened: its tables are whole, and the last frame of every episode can be decoded."""
    try:
        return reader.LeRobotDataset(root, check_videos=True)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"what is not whole is not pushed: {error}") from error


def _check_newest(api: hf_api.HfApi, where: dict[str, Any], version: str) -> None:
    """Who loads a dataset by its name gets the newest format that is tagged, and would never see what is pushed now."""
    for newer in hub.VERSIONS[: hub.VERSIONS.index(version)]:
        if api.revision_exists(**where, revision=newer):
            raise ValueError(
                f"{where['repo_id']} has a dataset of format {newer}, newer than this one's {version}, which everyone would go "
                f"on getting: record it as {newer}, push it to another repository, or to a branch of its own (revision)"
            )


def _commit(api: hf_api.HfApi, where: dict[str, Any], root: pathlib.Path, files: list[pathlib.Path], card: str) -> None:
    names = [path.relative_to(root).as_posix() for path in files]
    there = [name for name in api.list_repo_files(**where) if name.startswith(tuple(f"{part}/" for part in _PARTS))]
    add = {name: huggingface_hub.CommitOperationAdd(name, str(path)) for name, path in zip(names, files, strict=True)}
    first: list[Any] = [operation for name, operation in add.items() if not name.startswith("meta/")]
    last: list[Any] = [operation for name, operation in add.items() if name.startswith("meta/")]
    last.append(huggingface_hub.CommitOperationAdd("README.md", card.encode()))
    last += [huggingface_hub.CommitOperationDelete(name) for name in sorted(set(there) - set(names))]
    for start in range(0, len(first), _FILES_A_COMMIT):
        part = first[start : start + _FILES_A_COMMIT]
        message = f"Dataset: files {start + 1} to {start + len(part)} of {len(first)}"
        api.create_commit(**where, operations=part, commit_message=message)
    api.create_commit(**where, operations=last, commit_message="Dataset: description")


@contextlib.contextmanager
def _explained(repo_id: str) -> Iterator[None]:
    """Errors of the Hub in one line that says what to do."""
    try:
        yield
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise PermissionError(
                f"{repo_id} may not be written (HTTP {status}): set HF_TOKEN to a token that may write there, or check "
                "the owner's name"
            ) from None
        raise OSError(
            f"pushing to {repo_id}: the Hub answers HTTP {status}: run it again, what is there is kept"
        ) from None
    except OSError as error:
        said = re.findall(r"\w+Error\(\"[^\"]*: ([^\"]+)\"", str(error))
        reason = said[-1] if said else " ".join(str(error).split())
        raise ConnectionError(f"pushing to {repo_id}: {reason}: check the network and run it again") from None
