"""What a server has counted, read back for people: outcomes, sizes of batches, milliseconds of each stage."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from openpi.server import metrics

_Bucket = tuple[float, float]  # upper end, how many lie below it


def read(recorder: metrics.Metrics) -> dict[str, Any]:
    """Returns what the status page shows of `/metrics`."""
    samples = recorder.samples()
    return {
        "ready": bool(samples["openpi_ready"][()]),
        "queue": int(samples["openpi_queue_requests"][()]),
        "requests": _by_label(samples, "openpi_requests_total"),
        "refused": _by_label(samples, "openpi_refused_connections_total"),
        "reloads": _by_label(samples, "openpi_reloads_total"),
        "batches": _sizes(_buckets(samples, "openpi_batch_requests")),
        "stages": {stage: _stage(samples, stage) for stage in metrics.STAGES},
    }


def quantile(buckets: Sequence[_Bucket], share: float) -> float | None:
    """Returns the value that a share of a histogram lies below, as Prometheus guesses it; None of an empty one.

    Within a bucket the values are taken to lie evenly; what lies above the last finite end is told as that end.
    """
    total = buckets[-1][1]
    if not total:
        return None
    start, below = 0.0, 0.0
    for end, count in buckets:
        if count >= share * total and count > below:
            return start if math.isinf(end) else start + (end - start) * (share * total - below) / (count - below)
        start, below = end, count
    return start


def _stage(samples: metrics.Samples, stage: str) -> dict[str, float | int | None]:
    label = (("stage", stage),)
    count, total = (samples[f"openpi_stage_seconds_{name}"][label] for name in ("count", "sum"))
    buckets = _buckets(samples, "openpi_stage_seconds", label)
    return {
        "count": int(count),
        "mean_ms": _ms(total / count) if count else None,
        "p50_ms": _ms(quantile(buckets, 0.5)),
        "p99_ms": _ms(quantile(buckets, 0.99)),
    }


def _buckets(samples: metrics.Samples, name: str, labels: metrics.Labels = ()) -> list[_Bucket]:
    """The buckets of a histogram in order, counts up to each end."""
    found = [
        (float(dict(key)["le"]), value)
        for key, value in samples[f"{name}_bucket"].items()
        if tuple(pair for pair in key if pair[0] != "le") == labels
    ]
    return sorted(found)


def _sizes(buckets: Sequence[_Bucket]) -> dict[str, int]:
    """How many batches had up to so many requests, sizes that did not occur left out."""
    below, sizes = 0.0, {}
    for end, count in buckets:
        if count > below:
            sizes["more" if math.isinf(end) else f"{end:g}"] = int(count - below)
        below = count
    return sizes


def _by_label(samples: metrics.Samples, name: str) -> Mapping[str, int]:
    return {value: int(count) for ((_, value),), count in sorted(samples.get(name, {}).items())}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
