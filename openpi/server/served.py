"""A real server on a free port, in a thread of a test."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from websockets.sync import client

from openpi.client import base_policy
from openpi.server import listen_socket, metrics, websocket_server


class Served:
    """A running server; `recorder` holds its counters, `drained` what `serve` returned."""

    def __init__(self, policy: base_policy.BasePolicy, metadata: dict | None, options: websocket_server.Options):
        listener = listen_socket.bind("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"ws://{self.address}"
        self.recorder = metrics.Metrics()
        self.server = websocket_server.WebsocketServer(
            policy, listener, metadata=metadata, options=options, recorder=self.recorder
        )
        self.drained: bool | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def connect(self, **options: Any) -> client.ClientConnection:
        """A client, as published ones connect."""
        return client.connect(self.url, compression=None, max_size=None, **options)

    def metric(self, name: str) -> float:
        """The value of a counter, by its full name with labels."""
        lines = self.recorder.text().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name)

    def stop(self) -> None:
        """Stops it as a signal would."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            self.drained = await self.server.serve(self._stop, self._ready.set)

        asyncio.run(main())


@contextlib.contextmanager
def serve(policy: base_policy.BasePolicy, metadata: dict | None = None, **options: Any) -> Iterator[Served]:
    """Serves `policy` while the block runs; `options` are those of the server."""
    served = Served(policy, metadata, websocket_server.Options(**options))
    try:
        yield served
    finally:
        served.stop()
