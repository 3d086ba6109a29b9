import contextlib
import logging
import pathlib
import socket
import threading
import time
import warnings

import numpy as np
import pytest
from websockets.sync import server

from openpi.client import msgpack_numpy, websocket_client_policy

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "protocol"
_FRAMES = [(_DIRECTORY / f"ws_frame_{frame:02d}.bin").read_bytes() for frame in range(6)]


@contextlib.contextmanager
def _serving(handler, port=0):
    """Runs a websocket server on a port of its own; gives the port."""
    with server.serve(handler, "127.0.0.1", port, compression=None, max_size=None) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running.socket.getsockname()[1]
        finally:
            running.shutdown()
            thread.join()


def _connect(port, **options):
    return websocket_client_policy.WebsocketClientPolicy(port=port, connect_timeout=10, **options)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_golden_conversation():
    received, headers = [], []

    def handler(connection):
        headers.append(connection.request.headers)
        connection.send(_FRAMES[0])
        for reply in (_FRAMES[2], _FRAMES[4]):
            received.append(connection.recv())
            connection.send(reply)
        received.append(connection.recv())
        connection.send("Traceback (most recent call last):\n  ...\nValueError: boom\n")
        connection.close(1011, "error")

    requests = [msgpack_numpy.unpackb(_FRAMES[index]) for index in (1, 3, 5)]
    with warnings.catch_warnings(), _serving(handler) as port, _connect(port, api_key="key123") as policy:
        warnings.simplefilter("error")
        assert policy.get_server_metadata() == {"reset_pose": [0, -1.5, 1.5, 0, 0, 0], "name": "fake"}
        for request, reply in zip(requests, (_FRAMES[2], _FRAMES[4]), strict=False):
            assert msgpack_numpy.packb(policy.infer(request)) == reply
        policy.reset()  # sends nothing
        with pytest.raises(RuntimeError, match=r"Traceback(.|\n)*ValueError: boom") as caught:
            policy.infer(requests[2])
        assert str(caught.value).splitlines()[-1] == "ValueError: boom"
        with pytest.raises(ConnectionError, match="is closed"):
            policy.infer(requests[0])
    assert received == [_FRAMES[1], _FRAMES[3], _FRAMES[5]]
    assert headers[0]["Authorization"] == "Api-Key key123"
    assert "Sec-WebSocket-Extensions" not in headers[0]  # no compression


def test_large_messages_pass():
    def handler(connection):
        connection.send(_FRAMES[0])
        for message in connection:
            connection.send(message)

    image = np.random.default_rng(0).integers(256, size=(4, 3, 480, 640), dtype=np.uint8)
    with _serving(handler) as port:
        with _connect(port) as policy:
            np.testing.assert_array_equal(policy.infer({"image": image})["image"], image, strict=True)
        with _connect(port, max_message_bytes=1000) as policy, pytest.raises(ConnectionError, match="too big"):
            policy.infer({"image": image})


def test_waits_for_a_server_that_starts_later(monkeypatch, caplog):
    monkeypatch.setattr(websocket_client_policy, "_RETRY_SECONDS", 0.1)
    port = _free_port()
    result = []
    thread = threading.Thread(target=lambda: result.append(_connect(port)))
    with caplog.at_level(logging.INFO, websocket_client_policy.__name__):
        thread.start()
        time.sleep(0.3)
        assert f"Waiting for a policy server at ws://127.0.0.1:{port}" in caplog.text
        assert not result
        with _serving(lambda connection: connection.send(_FRAMES[0]), port):
            thread.join()
    assert result[0].get_server_metadata()["name"] == "fake"
    result[0].close()


def test_no_server_in_time_is_one_line():
    port = _free_port()
    start = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        websocket_client_policy.WebsocketClientPolicy("localhost", port, connect_timeout=0.2)
    assert time.monotonic() - start < 3
    assert str(caught.value) == f"no policy server answers at ws://localhost:{port}; start one with //openpi/serve"


def test_a_server_that_says_nothing_is_one_line():
    leave = threading.Event()
    with _serving(lambda _: leave.wait()) as port:
        with pytest.raises(TimeoutError, match="sent no metadata in 0.3 s"):
            websocket_client_policy.WebsocketClientPolicy(port=port, connect_timeout=0.3)
        leave.set()


def test_a_listener_that_does_not_answer_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(TimeoutError, match="no policy server answers"):
            websocket_client_policy.WebsocketClientPolicy(port=port, connect_timeout=0.3)


@pytest.mark.parametrize(
    ("host", "error", "message"),
    [
        ("no-such-host.invalid", ConnectionError, "cannot talk to a policy server at ws://no-such-host.invalid:1: "),
        ("ws://", ValueError, "not the address of a policy server"),
    ],
)
def test_bad_hosts_are_one_line(host, error, message):
    with pytest.raises(error, match=message) as caught:
        websocket_client_policy.WebsocketClientPolicy(host, 1, connect_timeout=5)
    assert "\n" not in str(caught.value)


def test_another_kind_of_server_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectionError, match="cannot talk to a policy server at .*404"):
            _connect(listener.getsockname()[1])
        thread.join()


@pytest.mark.parametrize("requests", [0, 1])
def test_a_server_that_leaves_is_one_line(requests):
    def handler(connection):
        for _ in range(requests):
            connection.send(_FRAMES[0])
            connection.recv()

    with (
        _serving(handler) as port,
        pytest.raises(ConnectionError, match="is closed") as caught,
        _connect(port) as policy,
    ):
        policy.infer({"state": np.zeros(3)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reply", [b"\xc1", b"\x90"])
def test_a_reply_that_is_no_message_is_a_decode_error(reply):
    def handler(connection):
        connection.send(_FRAMES[0])
        for _ in connection:
            connection.send(reply)

    with _serving(handler) as port, _connect(port) as policy, pytest.raises(msgpack_numpy.DecodeError):
        policy.infer({})


def test_an_observation_that_cannot_be_sent_leaves_the_connection_open():
    def handler(connection):
        connection.send(_FRAMES[0])
        for message in connection:
            connection.send(message)

    with _serving(handler) as port, _connect(port) as policy:
        with pytest.raises(TypeError):
            policy.infer({"x": object()})
        assert policy.infer({"x": 1}) == {"x": 1}


def test_an_interrupted_request_closes_the_connection(monkeypatch):
    def handler(connection):
        connection.send(_FRAMES[0])
        for message in connection:
            connection.send(message)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with _serving(handler) as port, _connect(port) as policy:
        with monkeypatch.context() as patch:
            patch.setattr(policy._connection, "recv", interrupt)
            with pytest.raises(KeyboardInterrupt):
                policy.infer({"x": 1})
        with pytest.raises(ConnectionError, match="is closed"):
            policy.infer({"x": 2})


@pytest.mark.parametrize("form", ["127.0.0.1", "ws://127.0.0.1"])
def test_host_may_be_a_uri(form):
    with _serving(lambda connection: connection.send(_FRAMES[0])) as port:
        websocket_client_policy.WebsocketClientPolicy(form, port, connect_timeout=10).close()
        uri = f"{form.removeprefix('ws://')}:{port}"
        websocket_client_policy.WebsocketClientPolicy(f"ws://{uri}", None, connect_timeout=10).close()
