import contextlib
import logging
import pathlib
import socket
import threading
import time
import warnings

import numpy as np
import pytest
from websockets.server import ServerProtocol
from websockets.sync import server

from openpi.client import client_session, image_codec, msgpack_numpy, websocket_client_policy

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "protocol"
_FRAMES = [(_DIRECTORY / f"ws_frame_{frame:02d}.bin").read_bytes() for frame in range(6)]


@contextlib.contextmanager
def _serving(handler, port=0, **options):
    """Runs a websocket server on a port of its own; gives the port."""
    with server.serve(handler, "127.0.0.1", port, compression=None, max_size=None, **options) as running:
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


def test_waits_for_a_server_that_starts_later(caplog):
    port = _free_port()
    result = []
    thread = threading.Thread(target=lambda: result.append(_connect(port)))
    with caplog.at_level(logging.INFO, client_session.__name__):
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
        try:
            with pytest.raises(TimeoutError, match="accepted the connection but sent no metadata in time"):
                websocket_client_policy.WebsocketClientPolicy(port=port, connect_timeout=0.3)
        finally:
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


def _echo(connection):
    connection.send(_FRAMES[0])
    for message in connection:
        connection.send(message)


def test_an_answer_that_is_late_ends_the_request_and_the_connection():
    leave = threading.Event()

    def handler(connection):
        connection.send(_FRAMES[0])
        connection.recv()
        leave.wait()

    with _serving(handler) as port:
        try:
            with _connect(port, infer_timeout=30) as policy:
                start = time.monotonic()
                with pytest.raises(TimeoutError, match=f"ws://127.0.0.1:{port} did not answer within 0.2 s"):
                    policy.infer({}, timeout=0.2)
                assert time.monotonic() - start < 3
                with pytest.raises(ConnectionError, match="is closed"):
                    policy.infer({})
        finally:
            leave.set()


def test_a_server_that_does_not_read_holds_up_no_request_with_a_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        done = threading.Event()

        def answer():
            connection, _ = listener.accept()
            with connection:
                protocol = ServerProtocol()
                protocol.receive_data(connection.recv(10_000))
                protocol.send_response(protocol.accept(protocol.events_received()[0]))
                protocol.send_binary(_FRAMES[0])
                connection.sendall(b"".join(protocol.data_to_send()))
                done.wait()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with _connect(listener.getsockname()[1]) as policy:
                start = time.monotonic()
                with pytest.raises(TimeoutError, match="did not answer within 0.3 s"):
                    policy.infer({"x": bytes(50_000_000)}, timeout=0.3)
                assert time.monotonic() - start < 5
        finally:
            done.set()
            thread.join()


def test_a_lost_server_is_waited_for_and_asked_again():
    asked = []

    def leaving(connection):
        connection.send(_FRAMES[0])
        asked.append(connection.recv())

    with _serving(leaving) as port:
        policy = _connect(port, reconnect_timeout=30)
        thread = threading.Thread(target=lambda: asked.append(policy.infer({"x": 1})))
        thread.start()
        while not asked:
            time.sleep(0.01)
    with _serving(_echo, port), policy:
        thread.join()
        assert asked[-1] == {"x": 1}
        assert policy.infer({"x": 2}) == {"x": 2}


def test_a_server_that_does_not_come_back_in_time_is_one_line():
    def leaving(connection):
        connection.send(_FRAMES[0])
        connection.recv()

    with _serving(leaving) as port:
        policy = _connect(port, reconnect_timeout=0.3)
    with policy, pytest.raises((TimeoutError, ConnectionError)) as caught:
        policy.infer({})
    assert "\n" not in str(caught.value)
    with pytest.raises(ConnectionError, match="is closed"):
        policy.infer({})  # after close


def test_an_error_of_the_server_is_not_asked_for_again():
    requests = []

    def failing(connection):
        connection.send(_FRAMES[0])
        for message in connection:
            requests.append(message)
            if len(requests) == 1:
                connection.send("bad_observation")
                return
            connection.send(message)

    with _serving(failing) as port, _connect(port, reconnect_timeout=10) as policy:
        with pytest.raises(RuntimeError, match="bad_observation"):
            policy.infer({"x": 1})
        assert policy.infer({"x": 2}) == {"x": 2}  # on a connection of its own
    assert len(requests) == 2


@pytest.mark.parametrize("offers", [[], ["png"]])
def test_images_are_compressed_for_servers_that_offer_it(offers):
    image = np.zeros((64, 64, 3), np.uint8)
    received = []

    def handler(connection):
        connection.send(msgpack_numpy.packb({"openpi": {"image_formats": offers}}))
        for message in connection:
            received.append(message)
            connection.send(_FRAMES[2])

    with _serving(handler) as port, _connect(port, image_format="png") as policy:
        policy.infer({"images": {"cam": image}})
    sent = msgpack_numpy.unpackb(received[0])["images"]["cam"]
    if offers:
        assert len(received[0]) < image.nbytes / 10
        sent = image_codec.decompress(sent, max_bytes=image.nbytes)
    np.testing.assert_array_equal(sent, image, strict=True)


def _refusing(status):
    """A server that refuses the first upgrade with this status and takes the next."""
    seen = []

    def process_request(connection, request):
        seen.append(request)
        return connection.respond(status, "no\n") if len(seen) == 1 else None

    return process_request


def test_a_server_that_is_not_ready_is_waited_for():
    with _serving(_echo, process_request=_refusing(503)) as port, _connect(port) as policy:
        assert policy.infer({"x": 1}) == {"x": 1}


def test_a_refused_key_is_one_line():
    with (
        _serving(_echo, process_request=_refusing(401)) as port,
        pytest.raises(ConnectionError, match=r"refuses the API key \(HTTP 401\); give its api_key") as caught,
    ):
        _connect(port)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"infer_timeout": -1}, {"reconnect_timeout": float("nan")}, {"image_format": "gif"}]
)
def test_bad_settings_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        client_session.Settings("localhost", 1, **options)
