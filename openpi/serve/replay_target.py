"""What a recording is replayed against: a server, or a checkpoint in this process."""

import pathlib
from typing import Any, Protocol

from openpi.checkpoints.assets import compiled_programs
from openpi.client import websocket_client_policy
from openpi.config import load, table
from openpi.policies import create

_SECONDS = 120.0  # that a server may take to appear, and to answer
_FAULTS = (RuntimeError, ValueError, KeyError, TypeError)


class RequestError(Exception):
    """A request was refused or failed; others may not."""


class Target(Protocol):
    """Answers observations. `noise_shape` [H, A] is what a request's noise must be; None if it takes none."""

    name: str
    noise_shape: tuple[int, int] | None

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The policy's result. Raises RequestError if there is none, OSError if there will be none to further ones either."""


def find(name: str, *, config: str | None, api_key_file: str | None) -> Target:
    """The target at a server's address or in a checkpoint's folder.

    Args:
      name: "ws://...", "wss://...", or a checkpoint as //openpi/serve takes it.
      config: of a checkpoint that has none: FILE.py[:VARIANT] or a released name.
      api_key_file: file of a server's key.

    Raises:
      OSError: the server cannot be reached, or there is no checkpoint.
      ValueError: the checkpoint is not one of the configuration.
    """
    if not name.startswith(("ws://", "wss://")):
        return _Checkpoint(name, config)
    return _Server(name, pathlib.Path(api_key_file).read_text().strip() if api_key_file else None)


def noise_shape(metadata: dict[str, Any]) -> tuple[int, int] | None:
    """What a server's metadata say of the noise that a request may bring."""
    offer = metadata.get("openpi")
    shape = offer.get("noise_shape") if isinstance(offer, dict) else None
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(n) is int and 0 < n < 2**16 for n in shape):
        return None
    return shape[0], shape[1]


class _Server:
    def __init__(self, uri: str, key: str | None):
        self.name = uri
        self._key = key
        self._open()
        self.noise_shape = noise_shape(self._client.get_server_metadata())

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._client.infer(observation)
        except _FAULTS as error:
            self._client.close()  # The server has closed it already.
            self._open()
            raise RequestError(" ".join(str(error).split())) from error

    def _open(self) -> None:
        self._client = websocket_client_policy.WebsocketClientPolicy(
            self.name, None, api_key=self._key, connect_timeout=_SECONDS, infer_timeout=_SECONDS
        )


class _Checkpoint:
    def __init__(self, folder: str, config: str | None):
        compiled_programs.keep()
        loaded = config and load.load(config if ".py" in config else table.config_path(config))
        self.name = folder
        self._policy = create.create_policy(loaded or None, folder)
        self._policy.warmup()
        self.noise_shape = self._policy.noise_shape

    def infer(self, observation: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._policy.infer(observation)
        except _FAULTS as error:
            raise RequestError(f"{type(error).__name__}: {' '.join(str(error).split())}") from error
