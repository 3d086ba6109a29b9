import asyncio

import numpy as np

from openpi.benchmarks import serving_load, serving_server, serving_visitors
from openpi.client import msgpack_numpy
from openpi.server import session, websocket_server

_MESSAGES = [msgpack_numpy.packb({"state": np.zeros(14), "prompt": "do something"})]
_SHORT = websocket_server.Options(
    max_sessions=6, ping_seconds=0.5, open_seconds=0.5, per_session=session.Limits(send_seconds=0.5)
)


def test_the_server_lets_go_of_those_who_do_not_go_on():
    with serving_server.start("no-op", options=_SHORT) as server, serving_visitors.watched(server.port) as health:
        after = asyncio.run(serving_visitors.half_open(server.port, len(serving_visitors.STARTS), seconds=60))
        told = serving_visitors.let_go(after)
        assert (told["clients"], told["let_go"]) == (4, 4)
        assert told["last_s"] == max(after) > 0.5
        (after,) = asyncio.run(serving_visitors.never_reading(server.port, 1, _MESSAGES[0], seconds=60))
        assert after is not None
        assert asyncio.run(serving_load.run(server.port, _MESSAGES, clients=1, requests=3)) == 3
    assert health.failures == 0
    assert health.milliseconds


def test_who_is_not_let_go_is_told():
    with serving_server.start("no-op") as server:  # with the usual patience of seconds
        after = asyncio.run(serving_visitors.half_open(server.port, 1, seconds=0.1))
        assert serving_visitors.let_go(after) == {"clients": 1, "let_go": 0, "last_s": None}


def test_the_idle_take_places_and_health_fails_without_a_server():
    async def among_idle(port):
        async with serving_visitors.idle(port, 5):
            return await serving_load.latencies(port, _MESSAGES, 2)

    with serving_server.start("no-op", options=_SHORT) as server:
        trips, _ = asyncio.run(among_idle(server.port))
        assert len(trips) == 2
        assert 20 < server.resident_mib() < 2000
        assert server.queued_ms() >= 0
        server.kill()
        with serving_visitors.watched(server.port) as health:
            while not health.failures:
                asyncio.run(asyncio.sleep(0.05))
        assert health.milliseconds == []
