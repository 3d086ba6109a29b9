"""Short texts that the processes of one training share."""

from typing import Protocol

from jax._src import (
    distributed as jax_distributed,
)  # the coordination service has no public door; Orbax uses this one too

_FOLDER = "openpi"


class Store(Protocol):
    """Key -> text, kept by process 0 for all."""

    def set(self, key: str, text: str) -> None:
        """Writes, or writes over."""

    def read(self) -> dict[str, str]:
        """Everything."""

    def barrier(self, name: str, timeout_s: float) -> None:
        """Returns when every process has called it; a name serves once."""


class JaxStore:
    """In JAX's coordination service, after `jax.distributed.initialize`."""

    def __init__(self) -> None:
        self._client = jax_distributed.global_state.client

    def set(self, key: str, text: str) -> None:
        self._client.key_value_set(f"{_FOLDER}/{key}", text, allow_overwrite=True)

    def read(self) -> dict[str, str]:
        return {key.removeprefix(f"{_FOLDER}/"): text for key, text in self._client.key_value_dir_get(f"{_FOLDER}/")}

    def barrier(self, name: str, timeout_s: float) -> None:
        self._client.wait_at_barrier(f"{_FOLDER}/{name}", int(timeout_s * 1000))
