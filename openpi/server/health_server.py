"""A second port for probes alone, which answers while the model is loaded and compiled and the first one still refuses."""

import http
import http.server
import socket
import threading

from openpi.server import front_door, http_page

_SECONDS = 10.0  # a client that asks and does not read is let go after


class HealthServer:
    """Answers the pages of a front door on a port of its own, from a thread of its own."""

    def __init__(self, door: front_door.FrontDoor, listener: socket.socket):
        """Begins to answer on `listener`, a bound TCP socket, which it owns from now on."""

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _SECONDS

            def do_GET(self) -> None:
                found = door.page(
                    self.path, self.headers.get("Authorization"), self.headers.get("Host")
                ) or http_page.Page(
                    http.HTTPStatus.NOT_FOUND, b"there are /livez, /readyz, /healthz, /metrics and the status page /\n"
                )
                self.send_response(found.status)
                self.send_header("Content-Type", found.content_type)
                self.send_header("Content-Length", str(len(found.body)))
                self.send_header("Connection", "close")
                for name, value in found.headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(found.body)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Probes come every few seconds: nothing to tell."""

        self._server = http.server.ThreadingHTTPServer(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()
