import logging
import threading
import time

from openpi.client import base_policy, msgpack_numpy
from openpi.server import reloader, served


class _Named(base_policy.BasePolicy):
    def __init__(self, name):
        self.name = name

    def infer(self, obs):
        return {"actions": self.name}


class _Shelf:
    """Policies to be found: `latest` is the one; a name with "broken" fails to load."""

    def __init__(self):
        self.latest, self.loading = "first", threading.Event()
        self.metadata = {"robot": "arm"}
        self.hold = threading.Event()
        self.hold.set()

    def load(self, name):
        self.loading.set()
        assert self.hold.wait(10)
        if "broken" in name:
            raise ValueError(f"{name} is no checkpoint")
        return reloader.Loaded(name, _Named(name), self.metadata, 1)


def _ask(connection):
    connection.send(msgpack_numpy.packb({"state": 1}))
    return msgpack_numpy.unpackb(connection.recv(timeout=5))["actions"]


def _until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_newer_policy_takes_over_and_a_bad_one_does_not(caplog):
    caplog.set_level(logging.INFO)
    shelf = _Shelf()
    first = shelf.load("first")
    with served.serve(first.policy, first.metadata) as running, running.connect() as connection:
        connection.recv()
        reload = reloader.Reloader(
            running.server, first, find=lambda: shelf.latest, load=shelf.load, recorder=running.recorder
        )
        assert _ask(connection) == "first"

        reload.start()
        _until(lambda: "first is still the latest" in caplog.text)

        shelf.latest = "second"
        shelf.hold.clear()
        shelf.loading.clear()
        reload.start()
        assert shelf.loading.wait(5)
        assert _ask(connection) == "first"  # while the second is loaded
        reload.start()
        assert "a policy is being loaded already" in caplog.text
        shelf.hold.set()
        _until(lambda: running.metric('openpi_reloads_total{outcome="ok"}') == 1)
        assert _ask(connection) == "second"

        shelf.latest = "broken third"
        reload.start()
        _until(lambda: running.metric('openpi_reloads_total{outcome="failed"}') == 1)
        assert "not exchanged, second goes on: ValueError: broken third is no checkpoint" in caplog.text
        assert _ask(connection) == "second"

        shelf.latest, shelf.metadata = "fourth", {"robot": "leg"}
        reload.start()
        _until(lambda: running.metric('openpi_reloads_total{outcome="failed"}') == 2)
        assert "fourth is of another robot or setting" in caplog.text
        assert _ask(connection) == "second"
        assert running.metric('openpi_reloads_total{outcome="ok"}') == 1
