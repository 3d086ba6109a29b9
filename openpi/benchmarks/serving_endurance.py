"""Measures what a policy server bears: long use, floods, a thousand idle clients, broken ones, being killed.

    bazel run //openpi/benchmarks:serving_endurance -- --json=PATH

A policy that does nothing and small observations, so that the server itself works most. The exit code is 1 when a target
is missed:

    requests: memory within 5 % from 30 % of the requests to the last
    flood: 200 clients at full rate; memory within 5 % from the 2nd quarter to the 4th, every /livez answered, the 201st refused
    idle: the clients beside them are answered, and when they have gone the memory does not grow for as many again
    half-open, never reading: all of them are let go, and the others answered
    killed: after each SIGKILL all clients are answered by the next process on the port
"""

import asyncio
import json
import resource
import statistics
import time
from typing import Any

import numpy as np
from absl import flags

from openpi.benchmarks import record, serving_load, serving_server, serving_visitors
from openpi.cli import program
from openpi.client import async_websocket_client_policy, msgpack_numpy
from openpi.server import session, websocket_server

_RECORD = record.Record("serving_endurance", ("numpy", "websockets", "msgpack"))
_REQUESTS = flags.DEFINE_integer("requests", 100_000, "Over which the memory must stay.", lower_bound=100)
_FLOOD_SECONDS = flags.DEFINE_float("flood_seconds", 60.0, "Of 200 clients at full rate.", lower_bound=0.1)
_IDLE = flags.DEFINE_integer("idle", 1000, "Connections that ask nothing.", lower_bound=1)
_BROKEN = flags.DEFINE_integer("broken", 200, "Half-open connections; a tenth as many never read.", lower_bound=10)
_KILLS = flags.DEFINE_integer("kills", 5, "How often the server is killed.", lower_bound=1)

_CLIENTS, _FLOOD_CLIENTS, _RECONNECTING = 16, 200, 8
_PING_SECONDS, _OPEN_SECONDS, _SEND_SECONDS = 2.0, 2.0, 2.0


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4 * _IDLE.value + 1000), most))
    rng = np.random.default_rng(0)
    messages = [msgpack_numpy.packb({"state": rng.normal(size=14), "prompt": "do something"}) for _ in range(32)]
    result: dict[str, Any] = {
        "requests": _requests(messages),
        "flood": _flood(messages),
        "idle": _idle(messages),
        "broken": _broken(messages),
        "killed": asyncio.run(_killed()),
    }
    flood, idle, broken = (result[key] for key in ("flood", "idle", "broken"))
    result["met"] = {
        "requests": abs(result["requests"]["growth"]) <= 0.05,
        "flood": flood["growth"] <= 0.05 and not flood["livez_failures"] and flood["refused"] == flood["tried_beyond"],
        "idle": idle["again_mib"] <= idle["first_mib"] * 1.05 and not idle["livez_failures"],
        "broken": all(
            broken[kind]["let_go"] == broken[kind]["clients"] and not broken[kind]["livez_failures"] for kind in broken
        ),
        "killed": result["killed"]["answered"] == result["killed"]["clients"] * result["killed"]["kills"],
    }
    print(json.dumps(result, indent=1))
    _RECORD.write(result)
    return 0 if all(result["met"].values()) else 1


def _requests(messages: list[bytes]) -> dict[str, Any]:
    first = int(_REQUESTS.value * 0.3)  # by then the allocator has all the arenas that it will need
    with serving_server.start("no-op") as server:
        asyncio.run(serving_load.run(server.port, messages, clients=_CLIENTS, requests=first))
        before, start = server.resident_mib(), time.perf_counter()
        rest = _REQUESTS.value - first
        asyncio.run(serving_load.run(server.port, messages, clients=_CLIENTS, requests=rest))
        seconds, after = time.perf_counter() - start, server.resident_mib()
    return {
        "requests": _REQUESTS.value,
        "requests_per_s": rest / seconds,
        "before_mib": before,
        "after_mib": after,
        "growth": after / before - 1,
    }


def _flood(messages: list[bytes]) -> dict[str, Any]:
    """200 clients at full rate, while more knock at the door and somebody asks for the server's health."""
    samples, refused, tried = [], 0, 0
    options = websocket_server.Options(max_sessions=_FLOOD_CLIENTS)

    async def flood() -> int:
        nonlocal refused, tried
        asking = serving_load.run(server.port, messages, clients=_FLOOD_CLIENTS, seconds=_FLOOD_SECONDS.value)
        running = asyncio.create_task(asking)
        await asyncio.wait({running}, timeout=_FLOOD_SECONDS.value / 6)  # All have come in.
        while not running.done():
            samples.append(server.resident_mib())
            if len(samples) % 10 == 1 and len(samples) < 100:
                tried += 1
                refused += await _is_refused(server.port)
            await asyncio.wait({running}, timeout=_FLOOD_SECONDS.value / 200)
        return await running

    with serving_server.start("no-op", options=options) as server, serving_visitors.watched(server.port) as health:
        replies = asyncio.run(flood())
    quarters = [statistics.median(part) for part in np.array_split(samples, 4)]
    return {
        "clients": _FLOOD_CLIENTS,
        "seconds": _FLOOD_SECONDS.value,
        "replies": replies,
        "mib": record.spread(samples),
        "growth": quarters[3] / quarters[1] - 1,
        "tried_beyond": tried,
        "refused": refused,
        "livez_ms": record.spread(health.milliseconds),
        "livez_failures": health.failures,
    }


async def _is_refused(port: int) -> bool:
    """Whether one client more is told to come again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(serving_visitors.STARTS[-1])
        return (await reader.readline()).startswith(b"HTTP/1.1 503 ")
    finally:
        writer.close()


def _idle(messages: list[bytes]) -> dict[str, Any]:
    """A client among a thousand that ask nothing; they come twice."""
    trips, mib = {}, {}

    async def visit(name: str) -> None:
        async with serving_visitors.idle(server.port, _IDLE.value):
            trips[name], _ = await serving_load.latencies(server.port, messages, 1000)
            mib[name] = server.resident_mib()

    options = websocket_server.Options(max_sessions=_IDLE.value + 1)
    with serving_server.start("no-op", options=options) as server, serving_visitors.watched(server.port) as health:
        asyncio.run(serving_load.latencies(server.port, messages, 200))
        trips["alone"], _ = asyncio.run(serving_load.latencies(server.port, messages, 1000))
        before = server.resident_mib()
        asyncio.run(visit("first"))
        asyncio.run(visit("again"))
    return {
        "connections": _IDLE.value,
        "before_mib": before,
        "first_mib": mib["first"],
        "again_mib": mib["again"],
        "kib_each": (mib["first"] - before) * 1024 / _IDLE.value,
        "trip_alone_ms": record.spread(trips["alone"]),
        "trip_among_ms": record.spread(trips["again"]),
        "livez_ms": record.spread(health.milliseconds),
        "livez_failures": health.failures,
    }


def _broken(messages: list[bytes]) -> dict[str, Any]:
    options = websocket_server.Options(
        ping_seconds=_PING_SECONDS,
        open_seconds=_OPEN_SECONDS,
        per_session=session.Limits(send_seconds=_SEND_SECONDS),
    )

    async def among(kind: str, port: int) -> tuple[list[float | None], list[float]]:
        """The broken clients, and a good one that asks meanwhile."""
        if kind == "half_open":
            visit = serving_visitors.half_open(port, _BROKEN.value, seconds=60)
        else:
            visit = serving_visitors.never_reading(port, _BROKEN.value // 10, messages[0], seconds=120)
        broken = asyncio.create_task(visit)
        trips: list[float] = []
        while not broken.done():
            trips += (await serving_load.latencies(port, messages, 20))[0]
            await asyncio.wait({broken}, timeout=0.2)
        return await broken, trips

    result = {}
    for kind in ("half_open", "never_reading"):
        with serving_server.start("no-op", options=options) as server, serving_visitors.watched(server.port) as health:
            before = server.resident_mib()
            after, trips = asyncio.run(among(kind, server.port))
            result[kind] = {
                **serving_visitors.let_go(after),
                "trip_meanwhile_ms": record.spread(trips),
                "grown_mib": server.resident_mib() - before,
                "livez_failures": health.failures,
            }
    return result


async def _killed() -> dict[str, Any]:
    """Clients go on asking while the server is killed and started again on its port."""
    port, answered, seconds = 0, 0, []
    clients: list[async_websocket_client_policy.AsyncWebsocketClientPolicy] = []
    observation = {"state": np.zeros(14), "prompt": "do something"}
    for kill in range(_KILLS.value + 1):
        with serving_server.start("no-op", port=port) as server:
            start, port = time.perf_counter(), server.port
            clients = clients or [
                async_websocket_client_policy.AsyncWebsocketClientPolicy("127.0.0.1", port, reconnect_timeout=60)
                for _ in range(_RECONNECTING)
            ]
            replies = await asyncio.gather(*(each.infer(observation) for each in clients), return_exceptions=True)
            if kill:
                seconds.append(time.perf_counter() - start)
                answered += sum(isinstance(reply, dict) for reply in replies)
            server.kill()
    for each in clients:
        await each.close()
    return {
        "kills": _KILLS.value,
        "clients": _RECONNECTING,
        "answered": answered,
        "seconds_until_all_answered": record.spread(seconds),
    }


if __name__ == "__main__":
    program.run(main)
