"""Measures the policy server on this machine: what it adds to the model's time, how much it carries, what memory it keeps.

    bazel run //openpi/benchmarks:serving -- --json=PATH

Observations have three 224x224 uint8 images (the small model: its own camera). The exit code is 1 when a target is missed:

    one client: at most 2 ms (median) and 5 ms (99 of 100) on top of the model's time
    16 clients and a policy that does nothing: 1,000 requests/s, or 0.5 x what the websocket library alone carries
    8 clients, batches as far as they gain: at least 0.95 x as many requests/s as one at a time
    memory: within 5 % from 30 % of the requests to the last, and from the 2nd quarter of a flood of 200 clients to the 4th
"""

import asyncio
import json
import statistics
from typing import Any

import jax
from absl import flags

from openpi.benchmarks import record, serving_load, serving_server
from openpi.cli import program

_RECORD = record.Record("serving", ("jax", "numpy", "websockets", "msgpack"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of each comparison, in turn.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 4.0, "Of each round.", lower_bound=0.1)
_REQUESTS = flags.DEFINE_integer("requests", 100_000, "Over which the memory must stay.", lower_bound=100)
_FLOOD_SECONDS = flags.DEFINE_float("flood_seconds", 60.0, "Of 200 clients at full rate.", lower_bound=0.1)

_CLIENTS, _BATCH_CLIENTS, _FLOOD_CLIENTS = 16, 8, 200
_WARM = 200  # requests before any that count
_SETTLING = 0.3  # of the requests; memory is compared from there on


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    result: dict[str, Any] = {
        "one_client": _one_client(),
        "throughput": _throughput(),
        "batches": _batches(),
        "memory": _memory(),
    }
    one, many, batches, memory = (result[key] for key in ("one_client", "throughput", "batches", "memory"))
    met = {
        "overhead": one["overhead_ms"]["median"] <= 2 and one["overhead_ms"]["p99"] <= 5,
        "throughput": many["no-op"]["median"] >= 1000 or many["share_of_floor"] >= 0.5,
        "batches": batches["measured_ratio"] >= 0.95,
        "memory": abs(memory["growth"]) <= 0.05 and memory["flood_growth"] <= 0.05,
    }
    result |= {
        "met": met,
        "shapes": {"images": [3, 3, 224, 224], "actions": [50, 14]},
    }
    print(json.dumps({key: result[key] for key in ("one_client", "throughput", "batches", "memory", "met")}, indent=1))
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0 if all(met.values()) else 1


def _one_client() -> dict[str, Any]:
    """What a lone client waits beyond the model's time: transfer of both ways, decoding, encoding, threads."""
    messages = serving_server.observations("no-op", 32)
    with serving_server.start("no-op") as server:
        asyncio.run(serving_load.latencies(server.port, messages, _WARM))
        trips, inferences = asyncio.run(serving_load.latencies(server.port, messages, 2000))
    return {"overhead_ms": record.spread([trip - inference for trip, inference in zip(trips, inferences, strict=True)])}


def _throughput() -> dict[str, Any]:
    """Requests a second of 16 clients in one process, and what of the library's own floor that is, round by round."""
    messages = serving_server.observations("no-op", 32)
    rates: dict[str, list[float]] = {"floor": [], "no-op": []}
    with serving_server.start("floor") as floor, serving_server.start("no-op") as ours:
        for _ in range(_ROUNDS.value + 1):
            for name, server in (("floor", floor), ("no-op", ours)):
                rates[name].append(_rate(server, messages, _CLIENTS))
    shares = [mine / most for mine, most in zip(rates["no-op"][1:], rates["floor"][1:], strict=True)]
    mib = len(messages[0]) / 2**20
    figures = {name: record.spread(values[1:]) for name, values in rates.items()}
    return {
        "clients": _CLIENTS,
        **figures,
        "share_of_floor": statistics.median(shares),
        "mib_per_s": mib * figures["no-op"]["median"],
    }


def _batches() -> dict[str, Any]:
    """8 clients of the small model: one at a time, always in batches, and in batches as far as they gain here."""
    messages = serving_server.observations("small", 32)
    rates: dict[str, list[float]] = {"one": [], "eight": [], "measured": []}
    with (
        serving_server.start("small", max_batch_size=1) as one,
        serving_server.start("small", max_batch_size=_BATCH_CLIENTS) as eight,
        serving_server.start("small", max_batch_size=None) as measured,
    ):
        for _ in range(_ROUNDS.value + 1):
            for name, server in (("one", one), ("eight", eight), ("measured", measured)):
                rates[name].append(_rate(server, messages, _BATCH_CLIENTS))

    def ratio(name: str) -> float:
        return statistics.median(mine / one for mine, one in zip(rates[name][1:], rates["one"][1:], strict=True))

    return {
        "clients": _BATCH_CLIENTS,
        **{name: record.spread(values[1:]) for name, values in rates.items()},
        "eight_ratio": ratio("eight"),
        "measured_ratio": ratio("measured"),
        "measured_size": measured.max_batch_size,
    }


def _memory() -> dict[str, Any]:
    """Memory of the server that does nothing: over many requests of 16 clients, and while 200 flood it."""
    messages = serving_server.observations("no-op", 32)
    with serving_server.start("no-op") as server:
        # The allocator takes some ten thousand requests to have all the arenas that it will need.
        first = int(_REQUESTS.value * _SETTLING)
        asyncio.run(serving_load.run(server.port, messages, clients=_CLIENTS, requests=first))
        before = server.resident_mib()
        asyncio.run(serving_load.run(server.port, messages, clients=_CLIENTS, requests=_REQUESTS.value - first))
        after = server.resident_mib()
        # What 200 clients hold at once is theirs; more and more of it while they go on would be a leak.
        flood = _flooded(server, messages)
    return {
        "requests": _REQUESTS.value,
        "before_mib": before,
        "after_mib": after,
        "growth": after / before - 1,
        "flood_clients": _FLOOD_CLIENTS,
        "flood_seconds": _FLOOD_SECONDS.value,
        "flood_mib": record.spread(flood),
        "flood_growth": _quarter(flood, 3) / _quarter(flood, 1) - 1,
    }


def _flooded(server: serving_server.Process, messages: list[bytes]) -> list[float]:
    """The memory that the server has, again and again, while 200 clients ask as fast as they can."""
    samples = []

    async def flood() -> None:
        asking = serving_load.run(server.port, messages, clients=_FLOOD_CLIENTS, seconds=_FLOOD_SECONDS.value)
        running = asyncio.create_task(asking)
        while not running.done():
            samples.append(server.resident_mib())
            await asyncio.wait({running}, timeout=_FLOOD_SECONDS.value / 200)
        await running

    asyncio.run(flood())
    return samples


def _quarter(samples: list[float], number: int) -> float:
    """The median of the samples of a quarter, 0 to 3; in the first the clients come."""
    size = len(samples) // 4
    return statistics.median(samples[number * size : (number + 1) * size])


def _rate(server: serving_server.Process, messages: list[bytes], clients: int) -> float:
    replies = asyncio.run(serving_load.run(server.port, messages, clients=clients, seconds=_SECONDS.value))
    return replies / _SECONDS.value


if __name__ == "__main__":
    program.run(main)
