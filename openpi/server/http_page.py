"""A reply to a plain GET request, on whichever port it came."""

import http
from typing import NamedTuple

_TEXT = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """Status, body and headers; `Content-Length` and `Connection` are the server's business."""

    status: http.HTTPStatus
    body: bytes
    content_type: str = _TEXT
    headers: tuple[tuple[str, str], ...] = ()
