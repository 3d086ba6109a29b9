"""What a user writes to name an asset, and where in the cache that asset lies.

| written | key: the place below the cache's root |
| --- | --- |
| `gs://bucket/path` | `bucket/path`, as the published cache |
| `https://host/path/name.ext` | `host/path/name.ext`; with `?query`: `host/path/name-<hash of the query>.ext` |
| `http://...` | `http/` and the same: nobody vouches for what comes that way, so that it is never taken for the other |
| `hf://owner/repo[@revision][/path]` | `hf/owner/repo@revision/path`, the revision `main` if not given |
| `hf://datasets/owner/repo...` | `hf/datasets/owner/repo@revision/...` |
| anything without `://` | a path of this machine: no key |
"""

import dataclasses
import hashlib
import pathlib
import re
import urllib.parse

from openpi.checkpoints.assets import relative_path

_HUGGING_FACE = re.compile(
    r"(?:(?P<kind>datasets|spaces)/)?(?P<repo>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[\w.-]+|[^/@]+))?(?:/(?P<path>.*))?"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Address:
    """A remote file or folder.

    Attributes:
      store: "gs", "hf" or "http".
      url: what to ask for, without a trailing slash.
      name: the URL without its query, which may hold secrets: for messages and manifests.
      key: its place below the cache's root.
    """

    store: str
    url: str
    name: str
    key: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class HuggingFacePath:
    """What an `hf://` URL means. `kind` is "model", "dataset" or "space"; an empty `path` is the whole repository."""

    kind: str
    repo: str
    revision: str
    path: str


def parse(url_or_path: str) -> Address | None:
    """The address that a URL means, or None for a path of this machine.

    Raises:
      ValueError: an unknown scheme, or a URL that names nothing that can be fetched.
    """
    scheme, separator, rest = url_or_path.partition("://")
    if not separator:
        return None
    if not url_or_path.isprintable():
        raise ValueError(f"{url_or_path!r} holds line breaks or control characters; give a plain URL")
    if scheme == "gs":
        key = rest.rstrip("/")
        if "/" not in relative_path.check(key, url_or_path):
            raise ValueError(f"{url_or_path} names a whole bucket; give the folder or file in it: gs://BUCKET/PATH")
        return Address(store="gs", url=f"gs://{key}", name=f"gs://{key}", key=key)
    if scheme == "hf":
        found = hugging_face(url_or_path)
        folder = "hf" if found.kind == "model" else f"hf/{found.kind}s"
        key = f"{folder}/{found.repo}@{found.revision.replace('/', '%2F')}"
        key = relative_path.check(f"{key}/{found.path}" if found.path else key, url_or_path)
        return Address(store="hf", url=url_or_path.rstrip("/"), name=url_or_path.rstrip("/"), key=key)
    if scheme in ("http", "https"):
        return _http(url_or_path)
    raise ValueError(
        f"{url_or_path}: scheme {scheme!r} is unknown; give gs://, hf://, https://, http:// or a local path"
    )


def hugging_face(url: str) -> HuggingFacePath:
    """Raises ValueError: `url` names no repository."""
    match = _HUGGING_FACE.fullmatch(url.removeprefix("hf://").rstrip("/"))
    if not match:
        raise ValueError(f"{url} names no repository; give hf://[datasets/]OWNER/REPO[@REVISION][/PATH]")
    return HuggingFacePath(
        kind=(match["kind"] or "models").removesuffix("s"),
        repo=match["repo"],
        revision=urllib.parse.unquote(match["revision"] or "main"),
        path=match["path"] or "",
    )


def _http(url: str) -> Address:
    url = url.partition("#")[0]
    parts = urllib.parse.urlsplit(url)
    name = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if "@" in parts.netloc:
        raise ValueError(f"the URL of {parts.hostname} holds a user name or password; put them into ~/.netrc instead")
    if not parts.netloc or parts.path in ("", "/") or parts.path.endswith("/"):
        raise ValueError(
            f"{name} is no file: {parts.scheme} has no listing of folders; give a file's URL, or the folder on gs:// or hf://"
        )
    folder = "http" if parts.scheme == "http" else ""
    path = pathlib.PurePosixPath(folder, parts.netloc.lower(), relative_path.check(parts.path.lstrip("/"), name))
    if parts.query:
        digest = hashlib.sha256(parts.query.encode()).hexdigest()[:12]
        path = path.with_name(f"{path.stem}-{digest}{path.suffix}")
    return Address(store="http", url=url, name=name, key=relative_path.check(str(path), name))
