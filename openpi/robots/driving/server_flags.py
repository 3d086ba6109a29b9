"""Flags of every robot program that say which policy server to ask, and the client that follows them."""

from __future__ import annotations

import pathlib

from absl import flags

from openpi.client import websocket_client_policy

_HOST = flags.DEFINE_string("host", "127.0.0.1", "Policy server: a host, or a URI (ws://..., wss://...).")
_PORT = flags.DEFINE_integer("port", 8000, "Port of the policy server.", lower_bound=1, upper_bound=65535)
_API_KEY_FILE = flags.DEFINE_string("api_key_file", None, "File that holds the server's key.")
_CONNECT_TIMEOUT = flags.DEFINE_float("connect_timeout", 60.0, "Seconds to wait for the server.", lower_bound=0.0)
_INFER_TIMEOUT = flags.DEFINE_float("infer_timeout", 60.0, "Seconds that an answer may take.", lower_bound=0.1)


def connect() -> websocket_client_policy.WebsocketClientPolicy:
    """Connects to the server. Raises what WebsocketClientPolicy raises, and OSError for a key that cannot be read."""
    key = pathlib.Path(_API_KEY_FILE.value).read_text(encoding="utf-8").strip() if _API_KEY_FILE.value else None
    return websocket_client_policy.WebsocketClientPolicy(
        _HOST.value,
        _PORT.value,
        api_key=key,
        connect_timeout=_CONNECT_TIMEOUT.value,
        infer_timeout=_INFER_TIMEOUT.value,
    )
