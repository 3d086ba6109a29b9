"""For tests: an HTTP server of this machine that serves files from memory, and misbehaves when told to.

It answers as a plain file server; `FakeBucket` and `FakeHub` (in their own files) add the APIs of stores to it.
"""

import dataclasses
import email.utils
import hashlib
import http.server
import threading
import time
import urllib.parse
from collections import defaultdict
from typing import Self

_BLOCK = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
      status: answer with this error status.
      drop_after: cut the connection after so many bytes of the body.
      stall_after: send nothing more after so many bytes of the body.
      ignore_range: send the whole file although a part was asked for.
      extra: bytes to send beyond the announced size.
      claim: announce this size instead of the true one.
      corrupt: flip the first byte that is sent.
      shift: answer from this many bytes later than asked.
      chunked: announce no size; send chunks.
      endless: announce no size and no chunks.
      encoding: claim that the body has this content encoding.
    """

    status: int | None = None
    drop_after: int | None = None
    stall_after: int | None = None
    ignore_range: bool = False
    extra: int = 0
    claim: int | None = None
    corrupt: bool = False
    shift: int = 0
    chunked: bool = False
    endless: bool = False
    encoding: str | None = None


class FaultyServer(http.server.ThreadingHTTPServer):
    """Serves `files` on a free port of 127.0.0.1. Use it as a context manager.

    Attributes:
      files: path -> content; may be changed while it runs.
      faults: path -> what goes wrong with the next GETs of it, one each; `always` -> with all others of that path.
      always: path -> what goes wrong with every GET that `faults` says nothing of.
      sent: path -> bytes of content sent.
      requests: method, path and Range header of each request.
      logins: Authorization header of each request.
      no_head: answer HEAD with 405.
      no_validators: send neither ETag nor Last-Modified.
      content_md5: path -> value of the Content-MD5 header.
      delay: seconds to wait between blocks of a body.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes] | None = None, *, handler: type | None = None):
        super().__init__(("127.0.0.1", 0), handler or Handler)
        self.files = files or {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.sent: dict[str, int] = defaultdict(int)
        self.requests: list[tuple[str, str, str | None]] = []
        self.logins: list[str | None] = []
        self.no_head = False
        self.no_validators = False
        self.content_md5: dict[str, str] = {}
        self.delay = 0.0
        self.ended = threading.Event()
        self._thread = threading.Thread(target=lambda: self.serve_forever(poll_interval=0.02))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def count(self, method: str = "GET") -> int:
        return sum(request[0] == method for request in self.requests)

    def handle_error(self, request, client_address) -> None:
        """A client that went away is part of the tests."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends `server.files`, or what `answer` of a subclass sends."""

    protocol_version = "HTTP/1.1"
    server: FaultyServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, url: urllib.parse.SplitResult) -> bool:
        """Answers a request that is not for a plain file. Returns whether it did."""
        return False

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        self.server.requests.append((self.command, self.path, self.headers.get("Range")))
        self.server.logins.append(self.headers.get("Authorization"))
        if self.command == "HEAD" and self.server.no_head:
            self.send_bytes(b"", status=405)
        elif not self.answer(url):
            self.send_file(urllib.parse.unquote(url.path))

    def send_bytes(self, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, path: str) -> None:
        """Sends the file at `path`, or the range that was asked for, with the fault that is next."""
        server = self.server
        fault = Fault()
        if self.command == "GET":
            fault = server.faults[path].pop(0) if server.faults[path] else server.always.get(path, fault)
        content = server.files.get(path)
        if fault.status or content is None:
            self.send_bytes(b"sorry", status=fault.status or 404)
            return
        start = 0
        if (asked := self.headers.get("Range")) and not fault.ignore_range:
            start = int(asked.removeprefix("bytes=").partition("-")[0]) + fault.shift
            if start >= len(content):
                self.send_bytes(b"", status=416, headers={"Content-Range": f"bytes */{len(content)}"})
                return
        body = content[start:]
        total = len(content) if fault.claim is None else fault.claim
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if not server.no_validators:
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("Last-Modified", email.utils.formatdate(0, usegmt=True))
        if path in server.content_md5:
            self.send_header("Content-MD5", server.content_md5[path])
        if fault.encoding:
            self.send_header("Content-Encoding", fault.encoding)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif fault.endless:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(total - start))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(path, body, fault)

    def _send_body(self, path: str, body: bytes, fault: Fault) -> None:
        server = self.server
        if fault.corrupt:
            body = bytes([body[0] ^ 1]) + body[1:]
        body += b"x" * fault.extra
        stops = [stop for stop in (fault.drop_after, fault.stall_after) if stop is not None]
        end = min([len(body), *stops])
        for begin in range(0, end, _BLOCK):
            block = body[begin : min(begin + _BLOCK, end)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if fault.chunked else block)
            server.sent[path] += len(block)
            time.sleep(server.delay)
        if stops:
            self.wfile.flush()
            if fault.stall_after is not None:
                server.ended.wait(30)
            self.close_connection = True
        elif fault.chunked:
            self.wfile.write(b"0\r\n\r\n")
        elif fault.claim is not None:
            self.close_connection = True
