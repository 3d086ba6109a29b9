"""Serves a policy of this process to others on this machine while a block runs."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from openpi.client import base_policy
from openpi.server import listen_socket, websocket_server

_HOST = "127.0.0.1"


@contextlib.contextmanager
def serve(policy: base_policy.BasePolicy, *, max_batch_size: int = 1) -> Iterator[tuple[str, int]]:
    """Yields the host and port at which `policy` answers, up to `max_batch_size` observations by one run of the model."""
    listener = listen_socket.bind(_HOST, 0)
    port = listener.getsockname()[1]
    server = websocket_server.WebsocketServer(
        policy, listener, options=websocket_server.Options(max_batch_size=max_batch_size)
    )
    ready = threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        try:
            loop.run_until_complete(server.serve(stop, ready.set))
        finally:
            loop.close()
            ready.set()  # Also if it failed: those who connect will find out.

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield _HOST, port
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
            thread.join()
