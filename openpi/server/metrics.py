"""What a server counts, in the text format that Prometheus reads."""

import prometheus_client

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4

STAGES = ("decode", "queue", "infer", "encode", "send")
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
_PREFIX = "openpi_"

Labels = tuple[tuple[str, str], ...]
Samples = dict[str, dict[Labels, float]]


class Metrics:
    """The counters of one server; safe to use from all threads."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self.sessions = self._gauge("sessions", "Clients connected.")
        self.queue = self._gauge("queue_requests", "Requests that wait for the model.")
        self.ready = self._gauge("ready", "1 while observations are answered.")
        self.batch_size = prometheus_client.Histogram(
            f"{_PREFIX}batch_requests",
            "Requests that one run of the model answered.",
            buckets=(1, 2, 3, 4, 5, 6, 7, 8, 16, 32),
            registry=self._registry,
        )
        self._requests = self._counter("requests", "Requests by outcome: ok, or the code of the failure.", "outcome")
        self._refused = self._counter("refused_connections", "Connections refused before the upgrade.", "reason")
        self._reloads = self._counter("reloads", "Policies exchanged while serving, by outcome.", "outcome")
        self._recorded = self._counter("recorded_requests", "Requests of a recording: written or dropped.", "outcome")
        stages = prometheus_client.Histogram(
            f"{_PREFIX}stage_seconds",
            "Seconds of each stage of a request; infer once a batch.",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}

    def stage(self, name: str) -> prometheus_client.Histogram:
        """The histogram of one of `STAGES`."""
        return self._stages[name]

    def count_request(self, outcome: str) -> None:
        """Counts a request that was answered (`ok`) or failed (its code)."""
        self._requests.labels(outcome).inc()

    def count_refused_connection(self, reason: str) -> None:
        """Counts a client that was not let in."""
        self._refused.labels(reason).inc()

    def count_reload(self, outcome: str) -> None:
        """Counts an exchange of the policy: `ok` or `failed`."""
        self._reloads.labels(outcome).inc()

    def count_recorded(self, outcome: str) -> None:
        """Counts a request that a recording has `written` or `dropped`."""
        self._recorded.labels(outcome).inc()

    def text(self) -> bytes:
        """All of it, as `GET /metrics` answers."""
        return prometheus_client.generate_latest(self._registry)

    def samples(self) -> Samples:
        """All of it as numbers: name of a sample, its labels in order of their names, value."""
        found: Samples = {}
        for family in self._registry.collect():
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def _gauge(self, name: str, what: str) -> prometheus_client.Gauge:
        return prometheus_client.Gauge(f"{_PREFIX}{name}", what, registry=self._registry)

    def _counter(self, name: str, what: str, label: str) -> prometheus_client.Counter:
        return prometheus_client.Counter(f"{_PREFIX}{name}", what, [label], registry=self._registry)
