import asyncio
import pathlib
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest
from websockets import exceptions

from openpi.client import base_policy, msgpack_numpy
from openpi.server import failure, listen_socket, websocket_server
from openpi.server import served as served_lib

_FRAMES = [(pathlib.Path(__file__).parent / f"testdata/protocol/ws_frame_{i:02d}.bin").read_bytes() for i in range(6)]


class _Scripted(base_policy.BasePolicy):
    """Answers as the policy of the recorded exchange did; `wait` lets a test hold an inference."""

    def __init__(self):
        self.replies = [msgpack_numpy.unpackb(_FRAMES[2]), msgpack_numpy.unpackb(_FRAMES[4])]
        self.seen = []
        self.threads = set()
        self.release = threading.Event()
        self.started = threading.Event()
        self.running = 0

    def infer(self, obs):
        assert self.running == 0, "two inferences at once"
        self.running += 1
        try:
            self.threads.add(threading.current_thread().name)
            self.seen.append(obs)
            prompt = obs["prompt"]
            if prompt == "fail":
                raise ValueError("boom")
            if prompt == "crash":
                raise RuntimeError("secret path /etc/x")
            if prompt == "exit":
                raise SystemExit(3)
            if prompt == "unsendable":
                return {"actions": object()}
            if prompt == "wait":
                self.started.set()
                assert self.release.wait(20)
            if prompt == "echo":
                time.sleep(0.005)
                return {"actions": obs["state"]}
            reply = dict(self.replies[(len(self.seen) - 1) % 2])
            del reply["server_timing"]
            return reply
        finally:
            self.running -= 1


def _healthy(served):
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/healthz", timeout=5) as reply:
        return (
            reply.status == 200 and reply.read() == b"OK\n" and reply.headers["Content-Type"].startswith("text/plain")
        )


def _request(prompt, **extra):
    return msgpack_numpy.packb({"state": np.arange(3.0), "prompt": prompt, **extra})


def _with_timing_of(golden: bytes, reply: bytes, key: bytes) -> bytes:
    """`golden` with the eight bytes of the last float under `key` taken from `reply`."""
    at = golden.rindex(key + b"\xcb") + len(key) + 1
    return golden[:at] + reply[at : at + 8] + golden[at + 8 :]


def test_the_recorded_conversation_byte_for_byte():
    policy = _Scripted()
    metadata = {"reset_pose": [0, -1.5, 1.5, 0, 0, 0], "name": "fake"}
    with served_lib.serve(policy, metadata=metadata) as served, served.connect() as connection:
        assert connection.recv() == _FRAMES[0]

        connection.send(_FRAMES[1])
        first = connection.recv()
        assert first == _with_timing_of(_FRAMES[2], first, b"infer_ms")
        assert list(msgpack_numpy.unpackb(first)["server_timing"]) == ["infer_ms"]

        time.sleep(0.05)
        connection.send(_FRAMES[3])
        second = connection.recv()
        golden = _with_timing_of(_with_timing_of(_FRAMES[4], second, b"infer_ms"), second, b"prev_total_ms")
        assert second == golden

        connection.send(_FRAMES[5])
        text = connection.recv()
        assert isinstance(text, str)
        assert text.endswith("\nValueError: boom\n")
        with pytest.raises(exceptions.ConnectionClosedError) as closed:
            connection.recv(timeout=5)
        assert closed.value.rcvd.code == 1011
        assert closed.value.rcvd.reason

    for seen, frame in zip(policy.seen, (_FRAMES[1], _FRAMES[3], _FRAMES[5]), strict=True):
        assert msgpack_numpy.packb(seen) == frame
    assert policy.threads == {"model"}


def test_previous_total_counts_from_entering_the_wait():
    with served_lib.serve(_Scripted()) as served, served.connect() as connection:
        connection.recv()
        time.sleep(0.2)  # The client's thinking time is part of the first round.
        for _ in range(2):
            connection.send(_request("echo"))
            timing = msgpack_numpy.unpackb(connection.recv())["server_timing"]
        assert 200 <= timing["prev_total_ms"] < 2000
        assert 5 <= timing["infer_ms"] < timing["prev_total_ms"]


@pytest.mark.parametrize(
    ("frame", "code", "last_line"),
    [
        (b"\xc1garbage", "bad_message", ""),
        (b"", "bad_message", ""),
        (_FRAMES[1][:-3], "bad_message", ""),
        (msgpack_numpy.packb([1, 2]), "bad_message", "DecodeError: an observation is a dict; got list"),
        ("hello", "bad_message", "DecodeError: got a text frame; send observations as binary msgpack frames"),
        (msgpack_numpy.packb({"state": 1}), "bad_observation", "KeyError: prompt"),
        (_request("fail"), "bad_observation", "ValueError: boom"),
        (
            _request("crash"),
            "internal_error",
            "InternalError: inference failed; the server's log says why under this id",
        ),
        (_request("exit"), "internal_error", ""),
        (_request("unsendable"), "internal_error", ""),
    ],
)
def test_a_bad_request_gets_a_text_and_the_server_lives_on(frame, code, last_line):
    with served_lib.serve(_Scripted()) as served:
        with served.connect() as good:
            good.recv()
            with served.connect() as bad:
                bad.recv()
                bad.send(frame)
                text = bad.recv(timeout=10)
                with pytest.raises(exceptions.ConnectionClosedError) as closed:
                    bad.recv(timeout=10)
            assert closed.value.rcvd.code == 1011
            assert text.startswith(f"{code} in request ")
            assert text.endswith(f"{last_line}\n")
            assert "Traceback" not in text
            assert "secret" not in text
            good.send(_request("echo"))
            assert "actions" in msgpack_numpy.unpackb(good.recv(timeout=10))
        assert _healthy(served)


def test_request_ids_differ():
    texts = set()
    with served_lib.serve(_Scripted()) as served:
        for _ in range(3):
            with served.connect() as connection:
                connection.recv()
                connection.send(_request("fail"))
                texts.add(connection.recv())
    assert len(texts) == 3


def test_a_message_over_the_limit_closes_that_connection_only():
    with served_lib.serve(_Scripted(), max_message_bytes=1000) as served:
        with served.connect() as connection:
            connection.recv()
            connection.send(_request("echo", image=np.zeros(1000, np.uint8)))
            with pytest.raises(exceptions.ConnectionClosedError) as closed:
                connection.recv(timeout=5)
            assert closed.value.rcvd.code == 1009
        with served.connect() as connection:
            connection.recv()
            connection.send(_request("echo"))
            assert isinstance(connection.recv(timeout=5), bytes)


def test_two_clients_at_once_each_get_their_own_answers():
    rounds = 20
    errors = []

    def talk(served, who):
        try:
            with served.connect() as connection:
                connection.recv()
                for i in range(rounds):
                    state = np.array([who, i], np.float32)
                    connection.send(msgpack_numpy.packb({"state": state, "prompt": "echo"}))
                    np.testing.assert_array_equal(msgpack_numpy.unpackb(connection.recv())["actions"], state)
        except BaseException as error:  # noqa: BLE001 (shown below, in the main thread)
            errors.append(error)

    with served_lib.serve(_Scripted()) as served:
        threads = [threading.Thread(target=talk, args=(served, who)) for who in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not errors


def test_health_and_pings_are_answered_during_an_inference():
    policy = _Scripted()
    with served_lib.serve(policy) as served, served.connect() as connection:
        connection.recv()
        connection.send(_request("wait"))
        assert policy.started.wait(5)
        assert _healthy(served)
        assert connection.ping().wait(5)
        policy.release.set()
        assert isinstance(connection.recv(timeout=5), bytes)


def test_a_client_that_leaves_during_its_inference_harms_nobody():
    policy = _Scripted()
    with served_lib.serve(policy) as served:
        with served.connect() as leaver:
            leaver.recv()
            leaver.send(_request("wait"))
            assert policy.started.wait(5)
        policy.release.set()
        with served.connect() as stayer:
            stayer.recv()
            stayer.send(_request("echo"))
            assert isinstance(stayer.recv(timeout=5), bytes)


def test_stopping_answers_what_was_taken_and_says_goodbye():
    policy = _Scripted()
    with served_lib.serve(policy) as served, served.connect() as busy, served.connect() as idle:
        busy.recv()
        idle.recv()
        busy.send(_request("wait"))
        assert policy.started.wait(5)
        threading.Timer(0.3, policy.release.set).start()
        stopping = threading.Thread(target=served.stop)
        stopping.start()
        assert "actions" in msgpack_numpy.unpackb(busy.recv(timeout=5))
        for connection in (busy, idle):
            with pytest.raises(exceptions.ConnectionClosed) as closed:
                connection.recv(timeout=5)
            assert closed.value.rcvd.code == 1001
        stopping.join()
        assert served.drained
        with pytest.raises(ConnectionRefusedError):
            served.connect()


def test_stopping_is_bounded():
    policy = _Scripted()
    with served_lib.serve(policy, drain_seconds=0.3) as served, served.connect() as connection:
        connection.recv()
        connection.send(_request("wait"))
        assert policy.started.wait(5)
        start = time.monotonic()
        served.stop()
        assert time.monotonic() - start < 5
        assert not served.drained
        policy.release.set()


def test_refuses_connections_until_it_serves():
    listener = listen_socket.bind("127.0.0.1", 0)
    with listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname(), timeout=5)


def test_a_port_taken_between_bind_and_listen_is_one_line():
    first = listen_socket.bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    second = listen_socket.bind("127.0.0.1", port)  # Linux lets two sockets bind as long as none listens.
    with first:
        first.listen()
        server = websocket_server.WebsocketServer(_Scripted(), second)
        with pytest.raises(OSError, match=f"port {port} on 127.0.0.1 is in use; .* --port"):
            asyncio.run(server.serve(asyncio.Event()))


def test_close_reason_fits_a_close_frame():
    assert len(failure.CLOSE_REASON.encode()) <= 123
