"""What a policy server tells about itself, of which nothing is taken on trust."""

import dataclasses
import http.client
import json
import urllib.request
from typing import Any

from openpi.client import websocket_client_policy
from openpi.evaluate import worker

_MOST_NOISE = 1 << 20  # numbers of one request
_MOST_BYTES = 4 * 2**20
_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class ServerFacts:
    """What follows from a server's words.

    Attributes:
      noise_shape: [H, A] of the noise that a request may bring; None: it takes none, or does not say.
      source: where its policy comes from; None: it does not say.
    """

    noise_shape: tuple[int, int] | None
    source: str | None


def ask(server: worker.Server) -> ServerFacts:
    """Connects once, and asks for the status page.

    Raises:
      ConnectionError, TimeoutError, ValueError, RuntimeError: as `WebsocketClientPolicy`.
    """
    with websocket_client_policy.WebsocketClientPolicy(
        server.host, server.port, connect_timeout=server.connect_timeout
    ) as client:
        metadata = client.get_server_metadata()
    return ServerFacts(_noise_shape(metadata), _source(server))


def _noise_shape(metadata: Any) -> tuple[int, int] | None:
    offer = metadata.get("openpi") if isinstance(metadata, dict) else None
    shape = offer.get("noise_shape") if isinstance(offer, dict) else None
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        return None
    if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in shape):
        return None
    return (shape[0], shape[1]) if shape[0] * shape[1] <= _MOST_NOISE else None


def _source(server: worker.Server) -> str | None:
    if "://" in server.host:
        return None
    host = f"[{server.host}]" if ":" in server.host else server.host
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://{host}:{server.port}/status.json", timeout=_SECONDS) as reply:
            source = json.loads(reply.read(_MOST_BYTES)).get("source")
    except (OSError, ValueError, AttributeError, RecursionError, http.client.HTTPException):
        return None  # No server of ours, or one that shows its page to others only.
    return source if isinstance(source, str) and source else None
