"""Plain HTTP on the websocket port: `GET /healthz` answers `OK` once the server accepts requests."""

import http

from websockets.asyncio import server
from websockets.http11 import Request, Response

PATH = "/healthz"


def answer(connection: server.ServerConnection, request: Request) -> Response | None:
    """Returns the reply to a health check, or None for any other path (the websocket handshake goes on).

    Source: the published server's health check: status 200, body `OK\\n`, text/plain, connection closed.
    """
    if request.path == PATH:
        return connection.respond(http.HTTPStatus.OK, "OK\n")
    return None
