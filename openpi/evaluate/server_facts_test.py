import pytest

from openpi.client import base_policy
from openpi.evaluate import server_facts, worker
from openpi.server import listen_socket, served


class _Nothing(base_policy.BasePolicy):
    def infer(self, obs):
        return {}


def _ask(running):
    return server_facts.ask(worker.Server(host="127.0.0.1", port=running.port, connect_timeout=60.0))


@pytest.mark.parametrize(
    ("metadata", "shape"),
    [
        ({"openpi": {"noise_shape": [10, 32]}}, (10, 32)),
        ({}, None),
        ({"openpi": 3}, None),
        ({"openpi": {"noise_shape": [10]}}, None),
        ({"openpi": {"noise_shape": [10, 0]}}, None),
        ({"openpi": {"noise_shape": [True, 5]}}, None),
        ({"openpi": {"noise_shape": ["10", 5]}}, None),
        ({"openpi": {"noise_shape": [1 << 40, 1 << 40]}}, None),
    ],
)
def test_the_noise_that_a_request_may_bring(metadata, shape):
    with served.serve(_Nothing(), metadata) as running:
        assert _ask(running).noise_shape == shape


def test_where_the_policy_comes_from():
    with served.serve(_Nothing()) as running:
        assert _ask(running).source is None
        running.server.swap(_Nothing(), metadata={}, max_batch_size=1, source="checkpoints/run/3000")
        assert _ask(running).source == "checkpoints/run/3000"


def test_no_server():
    with listen_socket.bind("127.0.0.1", 0) as listener, pytest.raises(TimeoutError, match="no policy server answers"):
        server_facts.ask(worker.Server(host="127.0.0.1", port=listener.getsockname()[1], connect_timeout=0.1))
