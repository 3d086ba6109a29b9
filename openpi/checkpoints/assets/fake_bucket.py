"""For tests: the part of Google Cloud Storage's JSON API that gcsfs reads with, on a `FaultyServer`."""

import base64
import hashlib
import json
import urllib.parse
import zlib

import google_crc32c

from openpi.checkpoints.assets import faulty_server


class FakeBucket(faulty_server.FaultyServer):
    """Serves `files`, whose paths are `/bucket/object`. Point STORAGE_EMULATOR_HOST at its `url`.

    Attributes:
      composite: paths of objects that have a CRC but no MD5, as objects composed of parts do.
      refusal: the status that someone who may not read gets instead of an answer.
      page_size: objects of one page of a listing.
    """

    def __init__(self, files: dict[str, bytes]):
        super().__init__(files, handler=_Handler)
        self.composite: set[str] = set()
        self.refusal: int | None = None
        self.page_size = 2


class _Handler(faulty_server.Handler):
    server: FakeBucket

    def answer(self, url: urllib.parse.SplitResult) -> bool:
        query = dict(urllib.parse.parse_qsl(url.query))
        download, _, rest = url.path.partition("/storage/v1/b/")
        bucket, _, name = rest.partition("/o")
        if status := self.server.refusal:
            self._send_json({"error": {"code": status, "message": "Anonymous caller does not have access."}}, status)
        elif faults := self.server.faults["list"] if not name else ():
            self.send_bytes(b"sorry", status=faults.pop().status)
        elif not name:
            self._list(bucket, query)
        else:
            path = f"/{bucket}/{urllib.parse.unquote(name.removeprefix('/'))}"
            content = self.server.files.get(path)
            if content is None or query.get("generation", _generation(content)) != _generation(content):
                self.send_bytes(b"no such object", status=404)
            elif download:
                self.send_file(path)
            else:
                self._send_json(self._describe(path))
        return True

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        start = f"/{bucket}/{query.get('prefix', '')}"
        found = sorted(path for path in self.server.files if path.startswith(start))
        first = int(query.get("pageToken", "0"))
        last = first + min(self.server.page_size, int(query.get("maxResults", "1000")))
        answer: dict = {"kind": "storage#objects", "items": [self._describe(path) for path in found[first:last]]}
        if last < len(found):
            answer["nextPageToken"] = str(last)
        self._send_json(answer)

    def _describe(self, path: str) -> dict[str, str]:
        content = self.server.files[path]
        bucket, _, name = path.removeprefix("/").partition("/")
        result = {
            "bucket": bucket,
            "name": name,
            "size": str(len(content)),
            "generation": _generation(content),
            "crc32c": base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode(),
        }
        if path not in self.server.composite:
            result["md5Hash"] = base64.b64encode(hashlib.md5(content).digest()).decode()
        return result

    def _send_json(self, content: object, status: int = 200) -> None:
        self.send_bytes(json.dumps(content).encode(), status=status, headers={"Content-Type": "application/json"})


def _generation(content: bytes) -> str:
    return str(zlib.crc32(content) + 1)
