"""The status page, its figures and its frames, for browsers: `/`, `/status.json`, `/status/frame/CAMERA.png`."""

import base64
import hashlib
import http
import json
import pathlib
import re
import urllib.parse

from openpi.server import http_page, status

_HTML = (pathlib.Path(__file__).parent / "status_page.html").read_text(encoding="utf-8")
_FRAME = re.compile(r"/status/frame/(.+)\.png")
_STRICT = (
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


def _hashes(tag: str) -> str:
    """The inline elements of a kind, as a policy allows them: no others run, whatever gets into the page."""
    bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", _HTML, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hashes('script')}",
        f"style-src {_hashes('style')}",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def is_ours(path: str) -> bool:
    """Whether `answer` knows the path."""
    return path in ("/", "/status.json") or path.startswith("/status/frame/")


def answer(path: str, shown: status.Status) -> http_page.Page:
    """Returns the page at `path`. It may take milliseconds: not for an event loop."""
    if path == "/":
        policy = ("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return http_page.Page(http.HTTPStatus.OK, _HTML.encode(), "text/html; charset=utf-8", (*_STRICT, policy))
    if path == "/status.json":
        body = json.dumps(shown.figures(), allow_nan=False).encode()
        return http_page.Page(http.HTTPStatus.OK, body, "application/json", _STRICT)
    found = _FRAME.fullmatch(path)
    frame = shown.frame(urllib.parse.unquote(found[1])) if found else None
    if frame is None:
        return http_page.Page(http.HTTPStatus.NOT_FOUND, b"the latest observation has no image of this name\n")
    return http_page.Page(http.HTTPStatus.OK, frame, "image/png", _STRICT)
