"""Clients that hang, vanish, flood or speak something else, over raw sockets: the server lives on, and others are served."""

import concurrent.futures
import contextlib
import os
import pathlib
import resource
import socket
import struct
import time

import numpy as np
import pytest
from websockets.sync import client

from openpi.client import base_policy, msgpack_numpy
from openpi.server import served

_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class _Echo(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["x"]}


@pytest.fixture(scope="module")
def running():
    with served.serve(_Echo(), open_seconds=0.5, ping_seconds=0.5, max_message_bytes=2**22) as server:
        yield server


def _check(running):
    """A client of good will is served without delay."""
    start = time.monotonic()
    with running.connect() as connection:
        connection.recv(timeout=5)
        connection.send(msgpack_numpy.packb({"x": 7}))
        assert msgpack_numpy.unpackb(connection.recv(timeout=5))["actions"] == 7
    assert time.monotonic() - start < 5


def _raw(running, upgrade=False):
    raw = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    if upgrade:
        raw.sendall(_UPGRADE)
        got = b""
        while b"\r\n\r\n" not in got:
            got += raw.recv(4096)
        assert got.startswith(b"HTTP/1.1 101 ")
    return raw


def _closed_within(raw, seconds):
    """Whether the server closes the connection, whatever it says before."""
    raw.settimeout(seconds)
    try:
        while raw.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def _frame(opcode, length, payload=b""):
    """A masked frame that says it has `length` bytes; the mask is zero."""
    header = bytes([0x80 | opcode])
    header += struct.pack("!BQ", 0x80 | 127, length) if length > 125 else bytes([0x80 | length])
    return header + bytes(4) + payload


@pytest.mark.parametrize(
    "start", [b"", b"GET / HTT", _UPGRADE[:-2], b"GET /healthz HTTP/1.1\r\n"], ids=["nothing", "verb", "all", "health"]
)
def test_who_does_not_finish_asking_is_let_go(running, start):
    with _raw(running) as raw:
        raw.sendall(start)
        _check(running)
        assert _closed_within(raw, 5)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),  # the hello of TLS
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"A" * 2**20,
        os.urandom(2**16),
    ],
    ids=["tls", "post", "no upgrade", "headers", "long line", "noise"],
)
def test_who_speaks_something_else_is_let_go(running, sent):
    with _raw(running) as raw:
        with contextlib.suppress(ConnectionError):
            raw.sendall(sent)
        assert _closed_within(raw, 5)
    _check(running)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (_frame(2, 2**62), 1009),
        (_frame(2, 2**22 + 1), 1009),
        (_frame(3, 0), 1002),
        (b"\x82\x01a", 1002),  # not masked
        (_frame(1, 2, b"\xff\xff"), 1007),
        (b"\xf2" + _frame(2, 0)[1:], 1002),  # reserved bits
    ],
    ids=["exabytes", "a byte too long", "opcode", "unmasked", "no UTF-8", "bits"],
)
def test_frames_that_are_none_close_their_connection(running, sent, code):
    with _raw(running, upgrade=True) as raw:
        raw.sendall(sent)
        raw.settimeout(5)
        got = b""
        with contextlib.suppress(ConnectionError):
            while chunk := raw.recv(4096):
                got += chunk
        assert struct.pack("!H", code) in got
    _check(running)


def test_who_vanishes_in_the_middle_of_a_message_is_let_go(running):
    with _raw(running, upgrade=True) as raw:
        raw.sendall(_frame(2, 1000, bytes(10)))
        _check(running)
        assert _closed_within(raw, 10)  # it answers no ping


def test_who_resets_the_connection_harms_nobody(running):
    for _ in range(20):
        with _raw(running, upgrade=True) as raw:
            raw.sendall(_frame(2, 1000, bytes(10)))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _check(running)


def test_a_slow_reader_gets_all_of_it_and_holds_up_nobody():
    image = np.random.default_rng(0).integers(0, 255, (16_000_000,), np.uint8)
    with served.serve(_Echo()) as running, _raw(running, upgrade=True) as raw:
        message = msgpack_numpy.packb({"x": image})
        raw.sendall(_frame(2, len(message), message))
        _check(running)
        got = bytearray()
        while len(got) < len(image):
            got += raw.recv(2**18)
            time.sleep(0.005)
        assert image[:-1000].tobytes() in got


def test_hundreds_of_idle_clients_cost_the_others_nothing():
    clients = 300
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4 * clients), hard), hard))
    with served.serve(_Echo()) as running:
        with contextlib.ExitStack() as stack:
            for _ in range(clients):
                stack.enter_context(_raw(running, upgrade=True))
            _until_sessions(running, clients)
            _check(running)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for checked in [pool.submit(_check, running) for _ in range(32)]:
                    checked.result()
        _until_sessions(running, 0)


def test_a_flood_of_bad_messages_leaves_nothing_behind(running):
    """Each is refused and its client let go; the memory stays what it was."""
    huge = msgpack_numpy.packb({"x": np.zeros(2**21, np.uint8)})
    bad = [
        b"\xc1",
        huge[:-1],
        b"\xdd\xff\xff\xff\xff",
        b"\x81\xa1x" + b"\x91" * 10_000,
        huge.replace(b"|u1", b"|O8"),
        huge.replace(b"\xce\x00\x20\x00\x00", b"\xce\xff\xff\xff\xff"),
    ]

    def flood(times):
        for _ in range(times):
            for message in bad:
                with client.connect(running.url, compression=None) as connection:
                    connection.recv(timeout=5)
                    connection.send(message)
                    assert connection.recv(timeout=5).startswith("bad_message in request ")

    flood(3)
    before = _resident()
    flood(15)
    assert _resident() - before < 20 * 2**20  # 90 messages of up to 2 MiB
    _check(running)


def _until_sessions(running, count):
    deadline = time.monotonic() + 10
    while running.metric("openpi_sessions") != count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.metric("openpi_sessions") == count


def _resident():
    return int(pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
