"""Exchanges the policy of a running server for a newer one, while its clients stay."""

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from openpi.client import base_policy
from openpi.server import metrics, websocket_server

_logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """A policy that is ready: compiled for all batches up to `max_batch_size`."""

    source: str
    policy: base_policy.BasePolicy
    metadata: dict[str, Any]
    max_batch_size: int


class Reloader:
    """Loads a policy beside the one that serves, and lets it take over between two batches.

    What fails is logged, and the old policy goes on; so does one whose metadata are not those that clients were told.
    """

    def __init__(
        self,
        server: websocket_server.WebsocketServer,
        present: Loaded,
        *,
        find: Callable[[], str],
        load: Callable[[str], Loaded],
        recorder: metrics.Metrics,
    ):
        """Does nothing yet.

        Args:
          server: that serves `present`.
          present: the policy to begin with.
          find: where the policy to serve lies now.
          load: loads and compiles what `find` found; called from a thread of its own.
          recorder: counts the exchanges.
        """
        self._server = server
        self._source, self._metadata = present.source, present.metadata
        self._find = find
        self._load = load
        self._recorder = recorder
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether a policy is being loaded."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begins to look for a newer policy, unless it does so already. Returns at once."""
        if self.running:
            _logger.warning("a policy is being loaded already; ask again when it serves")
            return
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            source = self._find()
            if source == self._source:
                _logger.info("%s is still the latest; it goes on", source)
                return
            _logger.info("loading %s beside %s", source, self._source)
            loaded = self._load(source)
            if loaded.metadata != self._metadata:
                raise ValueError(f"{source} is of another robot or setting than clients were told; restart the server")
            self._server.swap(
                loaded.policy, metadata=loaded.metadata, max_batch_size=loaded.max_batch_size, source=source
            )
        except Exception as error:  # noqa: BLE001 (the present policy goes on)
            self._recorder.count_reload("failed")
            _logger.error("not exchanged, %s goes on: %s: %s", self._source, type(error).__name__, error)
            return
        self._source = source
        self._recorder.count_reload("ok")
        _logger.info("%s serves now", source)
