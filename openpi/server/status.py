"""What a server is doing at the moment, for people: who is connected, what the model saw last and answered, how long it took."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from openpi.policies import request_options
from openpi.server import figures, metrics, model_worker, plain_json, thumbnail


class Client(NamedTuple):
    """A session, as the page shows it; `since` is of `time.monotonic`."""

    name: str
    address: str
    since: float
    requests: int


class Exchange(NamedTuple):
    """An observation and what was answered; the very objects, which nobody changes any more."""

    request_id: str
    observation: dict
    answer: model_worker.Answer
    at: float


class Status:
    """Holds references to what is shown; nothing is looked at, copied or counted before somebody asks."""

    def __init__(self, recorder: metrics.Metrics):
        """`recorder` has the counters."""
        self._recorder = recorder
        self._started = time.monotonic()
        self.latest: Exchange | None = None
        """The last request that was answered. It keeps its observation alive: one for the whole server."""
        self.source = ""
        """Where the policy comes from."""
        self.metadata: dict[Any, Any] = {}
        self.clients: Callable[[], list[Client]] = list

    def figures(self) -> dict[str, Any]:
        """All that the page shows, but for the frames; ready for JSON, whatever clients have sent. Any thread may ask."""
        now = time.monotonic()
        return {
            "uptime_s": round(now - self._started, 1),
            "source": self.source,
            "metadata": plain_json.plain(self.metadata),
            "sessions": [
                {"name": name, "address": address, "connected_s": round(now - since, 1), "requests": requests}
                for name, address, since, requests in self.clients()
            ],
            **figures.read(self._recorder),
            "latest": _show(self.latest, now) if self.latest else None,
        }

    def frame(self, camera: str) -> bytes | None:
        """The latest image of a camera as PNG; None if there is no such camera."""
        latest = self.latest
        image = thumbnail.cameras(latest.observation).get(camera) if latest else None
        return None if image is None else thumbnail.png(image)


def _show(latest: Exchange, now: float) -> dict[str, Any]:
    observation, answer = latest.observation, latest.answer
    cameras = thumbnail.cameras(observation)
    sent = {key: value for key, value in observation.items() if key != request_options.KEY}
    return {
        "request_id": latest.request_id,
        "age_s": round(now - latest.at, 1),
        "cameras": {name: f"{image.dtype}{list(image.shape)}" for name, image in cameras.items()},
        "observation": plain_json.plain(sent),
        "actions": plain_json.curves(answer.result.get("actions")),
        "queue_ms": round(answer.queue_ms, 2),
        "infer_ms": round(answer.infer_ms, 2),
        "batch_size": answer.batch_size,
    }
