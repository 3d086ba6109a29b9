"""For tests: the part of the Hugging Face Hub's API that reading needs, on a `FaultyServer`."""

import hashlib
import json
import re
import urllib.parse

from openpi.checkpoints.assets import faulty_server

LARGE = 1000  # bytes; larger files are in large-file storage, which another server sends


class FakeHub(faulty_server.FaultyServer):
    """Serves `files`, whose paths are `/owner/repo/path` or `/datasets/owner/repo/path`. Point HF_ENDPOINT at its `url`.

    Attributes:
      storage: the server that it sends the reader to for large files; knows the same paths.
      revisions: the names that mean the only commit there is.
      gated: answer as to someone who has not accepted the terms.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        storage: faulty_server.FaultyServer,
        *,
        handler: type[faulty_server.Handler] | None = None,
    ):
        super().__init__(files, handler=handler or HubHandler)
        self.storage = storage
        self.revisions = {"main", "refs/pr/1"}
        self.gated = False

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()


class HubHandler(faulty_server.Handler):
    """Answers the reading part of the API."""

    server: FakeHub

    def answer(self, url: urllib.parse.SplitResult) -> bool:
        path = urllib.parse.unquote(url.path)
        if self.server.gated:
            self.send_error_code("GatedRepo", 403)
        elif faults := self.server.faults["api"] if path.startswith("/api/") else ():
            self.send_bytes(b"sorry", status=faults.pop().status)
        elif match := re.fullmatch(r"/(.+/.+)/resolve/([^/]+)/(.*)", path):
            self._resolve(*match.groups())
        elif match := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/(revision|paths-info|tree)/(.*)", path):
            kind, repo, action, rest = match.groups()
            self._describe(f"/{repo}" if kind == "models" else f"/{kind}/{repo}", action, rest)
        else:
            self.send_error_code("EntryNotFound", 404)
        return True

    def _describe(self, repo: str, action: str, rest: str) -> None:
        server = self.server
        form = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        inside = {path.removeprefix(f"{repo}/") for path in server.files if path.startswith(f"{repo}/")}
        revision = rest if action != "tree" else rest.partition("/")[0]
        if not inside:
            self.send_error_code("RepoNotFound", 404)
        elif revision not in {*server.revisions, server.commit}:
            self.send_error_code("RevisionNotFound", 404)
        elif action == "revision":
            self.send_json({"id": repo.removeprefix("/"), "sha": server.commit, "siblings": [], "tags": []})
        elif action == "paths-info":
            wanted = [path for name, path in urllib.parse.parse_qsl(form) if name == "paths"]
            folders = {path for path in wanted if any(name.startswith(f"{path}/") for name in inside)}
            entries = [self._entry(repo, path) for path in wanted if path in inside]
            self.send_json(entries + [{"type": "directory", "oid": "0" * 40, "path": path} for path in folders])
        else:
            folder = rest.partition("/")[2]
            found = sorted(path for path in inside if not folder or path.startswith(f"{folder}/"))
            if not found:
                self.send_error_code("EntryNotFound", 404)
                return
            folders = {path.rpartition("/")[0] for path in found} - {""}
            entries = [{"type": "directory", "oid": "0" * 40, "path": path} for path in sorted(folders)]
            self.send_json(entries + [self._entry(repo, path) for path in found])

    def _entry(self, repo: str, path: str) -> dict:
        content = self.server.files[f"{repo}/{path}"]
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict = {"type": "file", "path": path, "size": len(content), "oid": blob}
        if len(content) > LARGE:
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _resolve(self, repo: str, revision: str, path: str) -> None:
        name = f"/{repo}/{path}"
        if revision != self.server.commit:
            self.send_error_code("RevisionNotFound", 404)
        elif len(self.server.files.get(name, b"")) > LARGE:
            location = self.server.storage.url + urllib.parse.quote(name)
            self.send_bytes(b"", status=302, headers={"Location": location})
        else:
            self.send_file(name)

    def send_error_code(self, code: str, status: int) -> None:
        self.send_bytes(b"{}", status=status, headers={"X-Error-Code": code, "X-Error-Message": code})

    def send_json(self, content: object) -> None:
        self.send_bytes(json.dumps(content).encode(), headers={"Content-Type": "application/json"})
