import asyncio

import pytest

from openpi.benchmarks import serving_load, serving_server


@pytest.mark.parametrize("kind", ["floor", "no-op"])
def test_clients_are_answered_and_counted(kind):
    messages = serving_server.observations(kind, 3)
    assert len(set(messages)) == 3
    assert 0 < sum(map(len, messages)) - 3 * 3 * 3 * 224 * 224 < 3000
    with serving_server.start(kind) as server:
        assert server.max_batch_size == 1
        assert asyncio.run(serving_load.run(server.port, messages, clients=4, requests=50)) in range(50, 54)
        assert asyncio.run(serving_load.run(server.port, messages, clients=2, seconds=0.2)) > 2
        trips, inferences = asyncio.run(serving_load.latencies(server.port, messages, 5))
        assert len(trips) == len(inferences) == 5
        assert all(trip > inference >= 0 for trip, inference in zip(trips, inferences, strict=True))
        assert 20 < server.resident_mib() < 2000
