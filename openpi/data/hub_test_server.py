"""For tests: a Hugging Face Hub of this machine that takes datasets, too: what `FakeHub` answers, and commits and tags."""

import base64
import hashlib
import json
import re
import urllib.parse

from openpi.checkpoints.assets import fake_hub, faulty_server


class DatasetHub(fake_hub.FakeHub):
    """Point HF_ENDPOINT at its `url`, and set HF_HUB_DISABLE_XET=1: files come by the large-file protocol.

    Attributes:
      private: repositories that were created so: "owner/name" -> whether it is private.
      tokens: the logins that may write.
      commits: the message and the paths of each commit.
    """

    def __init__(self, storage: faulty_server.FaultyServer, *, files: dict[str, bytes] | None = None):
        super().__init__(files or {}, storage, handler=_Handler)
        self.private: dict[str, bool] = {}
        self.tokens = {"Bearer hf_write"}
        self.commits: list[tuple[str, list[str]]] = []
        self.uploaded: dict[str, bytes] = {}  # by SHA-256

    def dataset(self, repo_id: str) -> dict[str, bytes]:
        """The files of a dataset by their path."""
        prefix = f"/datasets/{repo_id}/"
        return {path.removeprefix(prefix): data for path, data in self.files.items() if path.startswith(prefix)}


class _Handler(fake_hub.HubHandler):
    server: DatasetHub

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def answer(self, url: urllib.parse.SplitResult) -> bool:
        path = urllib.parse.unquote(url.path)
        if self.command == "PUT":
            content = self._body()
            self.server.uploaded[hashlib.sha256(content).hexdigest()] = content
            self.send_bytes(b"")
        elif path == "/api/validate-yaml":
            self._body()
            self.send_json({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(self._body()))
        elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._large_files(json.loads(self._body()))
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/(preupload|commit|tag|branch)/(.*)", path):
            self._write(*match.groups())
        else:
            return super().answer(url)
        return True

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _may_write(self) -> bool:
        if self.headers.get("Authorization") in self.server.tokens:
            return True
        self.send_bytes(b'{"error": "Invalid credentials in Authorization header"}', status=401)
        return False

    def _create(self, form: dict) -> None:
        if not self._may_write():
            return
        repo_id = f"{form['organization']}/{form['name']}"
        known = repo_id in self.server.private
        self.server.private.setdefault(repo_id, bool(form.get("private")))
        self.server.files.setdefault(f"/datasets/{repo_id}/.gitattributes", b"")
        content = json.dumps({"url": f"{self.server.url}/datasets/{repo_id}", "name": repo_id})
        self.send_bytes(content.encode(), status=409 if known else 200, headers={"Content-Type": "application/json"})

    def _large_files(self, form: dict) -> None:
        objects = [
            {**item, "actions": {"upload": {"href": f"{self.server.url}/upload/{item['oid']}", "header": {}}}}
            for item in form["objects"]
            if item["oid"] not in self.server.uploaded
        ]
        self.send_json({"transfer": "basic", "objects": objects})

    def _write(self, repo_id: str, action: str, rest: str) -> None:
        body = self._body()
        if not self._may_write():
            return
        if action == "preupload":
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": file["path"],
                    "shouldIgnore": False,
                    "uploadMode": "lfs" if file["size"] > fake_hub.LARGE else "regular",
                }
                for file in files
            ]
            self.send_json({"files": modes})
        elif action == "commit":
            self._commit(repo_id, [json.loads(line) for line in body.splitlines()])
        elif self.command == "DELETE" and rest not in self.server.revisions:
            self.send_error_code("RevisionNotFound", 404)
        elif self.command == "DELETE":
            self.server.revisions.remove(rest)
            self.send_bytes(b"")
        else:
            self.server.revisions.add(json.loads(body)["tag"] if action == "tag" else rest)
            self.send_json({})

    def _commit(self, repo_id: str, lines: list[dict]) -> None:
        server, message, paths = self.server, "", []
        for line in lines:
            value = line["value"]
            path = f"/datasets/{repo_id}/{value.get('path')}"
            match line["key"]:
                case "header":
                    message = value["summary"]
                    continue
                case "file":
                    server.files[path] = base64.b64decode(value["content"])
                case "lfsFile":
                    server.files[path] = server.storage.files[path] = server.uploaded[value["oid"]]
                case "deletedFile":
                    del server.files[path]
            paths.append(value["path"])
        server.commits.append((message, paths))
        self.send_json(
            {"commitUrl": f"{server.url}/datasets/{repo_id}/commit/{server.commit}", "commitOid": server.commit}
        )
