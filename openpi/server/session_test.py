"""What a client may do, over real sockets."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from websockets import exceptions
from websockets.sync import client

from openpi.client import base_policy, msgpack_numpy
from openpi.server import served, session


class _Holding(base_policy.BasePolicy):
    """Echoes `x`; while `release` is not set, an inference of "hold" does not end."""

    def __init__(self):
        self.seen = []
        self.started, self.release = threading.Event(), threading.Event()

    def infer(self, obs):
        self.seen.append(obs["x"])
        if isinstance(obs["x"], str) and obs["x"] == "hold":
            self.started.set()
            assert self.release.wait(20)
        return {"actions": obs["x"]} if obs["x"] is not None else {"actions": np.zeros(2**22)}


@pytest.fixture
def policy():
    holding = _Holding()
    yield holding
    holding.release.set()


def _pack(x, **options):
    return msgpack_numpy.packb({"x": x, **({"openpi": options} if options else {})})


@contextlib.contextmanager
def _open(running, **options) -> Iterator[client.ClientConnection]:
    with running.connect(**options) as connection:
        connection.recv(timeout=5)
        yield connection


def _ask(connection, x, **options):
    connection.send(_pack(x, **options))
    return msgpack_numpy.unpackb(connection.recv(timeout=10))


def _until(running, metric, value):
    deadline = time.monotonic() + 20
    while running.metric(metric) != value:
        assert time.monotonic() < deadline, f"{metric} is {running.metric(metric)}, not {value}"
        time.sleep(0.01)


def _reply(connection, x):
    connection.send(_pack(x))
    return connection.recv(timeout=10)


def _refusal(connection):
    """The text that ends a conversation."""
    text = connection.recv(timeout=5)
    assert isinstance(text, str)
    with pytest.raises(exceptions.ConnectionClosedError) as closed:
        connection.recv(timeout=5)
    assert closed.value.rcvd.code == 1011
    return text


@contextlib.contextmanager
def _hold(running, policy):
    """A client that occupies the model."""
    with _open(running) as connection:
        connection.send(_pack("hold"))
        assert policy.started.wait(5)
        yield connection


def test_a_request_past_its_deadline_is_refused_at_once_and_never_run(policy):
    with served.serve(policy) as running, _hold(running, policy) as holder, _open(running) as late:
        start = time.monotonic()
        late.send(_pack("late", deadline_ms=200))
        text = _refusal(late)
        assert 0.2 <= time.monotonic() - start < 2  # the model is still busy
        assert text.startswith("deadline_exceeded in request ")
        assert re.search(r"the model was busy for \d{3,} ms", text)
        policy.release.set()
        assert msgpack_numpy.unpackb(holder.recv(timeout=5))["actions"] == "hold"
        with _open(running) as other:
            assert _ask(other, "next", deadline_ms=5000)["actions"] == "next"
        assert policy.seen == ["hold", "next"]
        assert running.metric('openpi_requests_total{outcome="deadline_exceeded"}') == 1


def test_an_inference_that_runs_at_its_deadline_is_answered(policy):
    with served.serve(policy) as running, _open(running) as connection:
        connection.send(_pack("hold", deadline_ms=50))
        assert policy.started.wait(5)
        time.sleep(0.2)
        policy.release.set()
        assert msgpack_numpy.unpackb(connection.recv(timeout=5))["actions"] == "hold"


def test_the_server_has_a_longest_wait_of_its_own(policy):
    limits = session.Limits(max_wait_ms=100)
    with served.serve(policy, per_session=limits) as running, _hold(running, policy):
        for options in ({}, {"deadline_ms": 60_000}):
            with _open(running) as late:
                late.send(_pack("late", **options))
                assert _refusal(late).startswith("deadline_exceeded in request ")
        policy.release.set()


def test_one_observation_may_be_sent_ahead_and_no_more(policy):
    with served.serve(policy) as running:
        with _hold(running, policy) as eager:
            eager.send(_pack("ahead"))
            time.sleep(0.1)
            policy.release.set()
            replies = [msgpack_numpy.unpackb(eager.recv(timeout=5))["actions"] for _ in range(2)]
            assert replies == ["hold", "ahead"]
        policy.started.clear()
        policy.release.clear()
        with _hold(running, policy) as flood:
            with contextlib.suppress(exceptions.ConnectionClosed):  # It may come before the last is sent.
                for x in range(5):
                    flood.send(_pack(x))
            assert _refusal(flood).startswith("queue_full in request ")
        policy.release.set()
        with _open(running) as good:
            assert _ask(good, 7)["actions"] == 7
        assert policy.seen == ["hold", "ahead", "hold", 7]


def test_faster_than_the_rate_is_refused_and_others_go_on(policy):
    with served.serve(policy, per_session=session.Limits(max_rate=5)) as running:
        with _open(running) as fast, _open(running) as slow:
            answered = 0
            while answered < 50 and isinstance(text := _reply(fast, answered), bytes):
                answered += 1
            # A burst of five, and as many as a slow machine takes time for.
            assert 5 <= answered < 50
            assert text.startswith("rate_limited in request ")
            assert "more than 5 requests a second" in text
            assert _ask(slow, 1)["actions"] == 1
        assert running.metric('openpi_requests_total{outcome="rate_limited"}') == 1


def test_who_brings_options_is_told_where_the_time_went(policy):
    with served.serve(policy) as running, _hold(running, policy), _open(running) as asker:
        threading.Timer(0.2, policy.release.set).start()
        told = _ask(asker, 1, deadline_ms=5000)["openpi"]
        assert sorted(told) == ["batch_size", "decode_ms", "queue_ms"]
        assert told["batch_size"] == 1
        assert 100 < told["queue_ms"] < 5000
        assert sorted(_ask(asker, 1)) == ["actions", "server_timing"]


def test_what_a_policy_tells_of_options_stands_beside(policy):
    policy.infer = lambda obs: {"actions": obs["x"], "openpi": {"rtc": {"delay": 2}}}
    with served.serve(policy) as running, _open(running) as asker:
        told = _ask(asker, 1, num_steps=2)["openpi"]
        assert sorted(told) == ["batch_size", "decode_ms", "queue_ms", "rtc"]
        assert told["rtc"] == {"delay": 2}


def test_a_bad_option_is_told_before_anything_waits(policy):
    with served.serve(policy) as running, _hold(running, policy), _open(running) as bad:
        bad.send(_pack(1, deadline_ms=-1))
        text = _refusal(bad)
        assert text.startswith("bad_observation in request ")
        assert "deadline_ms=-1 must be a number of milliseconds above 0" in text


def test_a_long_inference_outlasts_the_pings(policy):
    with (
        served.serve(policy, ping_seconds=0.5) as running,
        _open(running, ping_interval=0.5, ping_timeout=1) as patient,
    ):
        patient.send(_pack("hold"))
        assert policy.started.wait(5)
        time.sleep(2)  # as 60 seconds are to pings of 20: several of them from both sides
        policy.release.set()
        assert msgpack_numpy.unpackb(patient.recv(timeout=5))["actions"] == "hold"


def test_a_client_that_never_reads_is_dropped(policy):
    limits = session.Limits(send_seconds=0.5)
    with (
        served.serve(policy, per_session=limits) as running,
        _open(running, max_queue=1) as deaf,
        _open(running) as good,
    ):
        for _ in range(3):
            deaf.send(_pack(None))  # each reply has 32 MiB
        deadline = time.monotonic() + 15
        while running.metric("openpi_sessions") == 2 and time.monotonic() < deadline:
            assert _ask(good, 1)["actions"] == 1  # meanwhile others are served
            time.sleep(0.05)
        assert running.metric("openpi_sessions") == 1
        assert _ask(good, 1)["actions"] == 1


def test_the_request_of_a_client_that_left_is_not_run(policy):
    with served.serve(policy) as running, _hold(running, policy) as holder:
        with _open(running) as leaver:
            leaver.send(_pack("left behind"))
            _until(running, "openpi_queue_requests", 1)
        _until(running, "openpi_sessions", 1)
        policy.release.set()
        holder.recv(timeout=5)
        assert _ask(holder, 2)["actions"] == 2
        assert policy.seen == ["hold", 2]


def test_inner_sizes_are_limited(policy):
    limits = session.Limits(message=msgpack_numpy.Limits(max_depth=4, max_items=100, max_arrays=2))
    deep = [[[[[]]]]]
    for x in (deep, [0] * 200, [np.zeros(1)] * 3):
        with served.serve(policy, per_session=limits) as running, _open(running) as bad:
            bad.send(_pack(x))
            assert _refusal(bad).startswith("bad_message in request ")
    assert policy.seen == []
