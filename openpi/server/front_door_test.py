import socket
import urllib.error
import urllib.request

import pytest
from websockets import exceptions

from openpi.client import base_policy, msgpack_numpy
from openpi.server import api_keys, front_door, health_server, listen_socket, metrics, served

_KEY = "0123456789abcdef"


class _Echo(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["x"]}


def _get(port, path, key=None):
    """Status, body and headers of a GET request."""
    headers = {"Authorization": f"Api-Key {key}"} if key else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def _ask(connection):
    connection.recv(timeout=5)
    connection.send(msgpack_numpy.packb({"x": 1}))
    return msgpack_numpy.unpackb(connection.recv(timeout=5))["actions"]


def test_health_and_metrics_are_on_the_port_of_the_websockets():
    with served.serve(_Echo()) as running:
        for path in ("/healthz", "/livez", "/readyz", "/healthz?from=probe"):
            status, body, headers = _get(running.port, path)
            assert (status, body) == (200, b"OK\n")
            assert headers["Content-Type"].startswith("text/plain")
        with running.connect() as connection:
            assert _ask(connection) == 1
            status, body, headers = _get(running.port, "/metrics")
            assert status == 200
            assert "version=0.0.4" in headers["Content-Type"]
            lines = body.decode().splitlines()
            for line in (
                "openpi_sessions 1.0",
                "openpi_ready 1.0",
                "openpi_queue_requests 0.0",
                'openpi_requests_total{outcome="ok"} 1.0',
                "openpi_batch_requests_count 1.0",
                *(f'openpi_stage_seconds_count{{stage="{stage}"}} 1.0' for stage in metrics.STAGES),
            ):
                assert line in lines


def test_without_a_key_nobody_is_let_in_before_the_upgrade():
    with served.serve(_Echo(), keys=api_keys.ApiKeys([_KEY])) as running:
        for headers in (
            {},
            {"Authorization": f"Api-Key {_KEY}x"},
            {"Authorization": f"Basic {_KEY}"},
            [("Authorization", f"Api-Key {_KEY}"), ("Authorization", "Api-Key other")],
        ):
            with pytest.raises(exceptions.InvalidStatus) as refused:
                running.connect(additional_headers=headers)
            assert refused.value.response.status_code == 401
            assert b"Authorization: Api-Key KEY" in refused.value.response.body
            assert refused.value.response.headers["WWW-Authenticate"] == "Api-Key"
        with running.connect(additional_headers={"Authorization": f"Api-Key {_KEY}"}) as connection:
            assert _ask(connection) == 1
        assert running.metric('openpi_refused_connections_total{reason="unauthorized"}') == 4
        # Probes hold no key; who reads metrics does.
        assert _get(running.port, "/readyz")[0] == 200
        assert _get(running.port, "/metrics")[0] == 401
        assert _get(running.port, "/metrics", key=_KEY)[0] == 200


def test_one_session_too_many_is_told_to_come_again():
    with served.serve(_Echo(), max_sessions=2) as running:
        with running.connect() as one, running.connect() as other:
            assert _ask(one) == _ask(other) == 1
            with pytest.raises(exceptions.InvalidStatus) as refused:
                running.connect()
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "5"
            assert b"all 2 sessions of this server are taken" in refused.value.response.body
            assert _get(running.port, "/healthz")[0] == 200
        with running.connect() as later:
            assert _ask(later) == 1


def test_the_health_port_answers_before_the_model_is_ready():
    door = front_door.FrontDoor(metrics.Metrics(), keys=api_keys.ApiKeys([_KEY]), max_sessions=1)
    listener = listen_socket.bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    health = health_server.HealthServer(door, listener)
    try:
        assert _get(port, "/livez")[:2] == (200, b"OK\n")
        assert _get(port, "/readyz")[:2] == (503, b"not ready\n")
        assert _get(port, "/healthz")[0] == 503
        door.ready = True
        assert _get(port, "/readyz")[:2] == (200, b"OK\n")
        assert _get(port, "/other")[0] == 404
        assert _get(port, "/metrics")[0] == 401
        assert b"openpi_sessions 0.0" in _get(port, "/metrics", key=_KEY)[1]
        assert _get(port, "/")[2]["WWW-Authenticate"].startswith("Basic ")
        status, body, headers = _get(port, "/", key=_KEY)
        assert (status, body[:15]) == (200, b"<!doctype html>")
        assert "script-src 'sha256-" in headers["Content-Security-Policy"]
    finally:
        health.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"Origin": "http://127.0.0.1:{port}"}, None),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example:{port}", "Host": "evil.example:{port}"}, 403),  # a name that points here
    ],
)
def test_pages_of_others_open_no_websocket(headers, status):
    with served.serve(_Echo()) as running, socket.create_connection(("127.0.0.1", running.port), 5) as raw:
        sent = {"Host": "127.0.0.1:{port}", **headers, "Upgrade": "websocket", "Connection": "Upgrade"}
        sent |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        lines = [f"{name}: {value.format(port=running.port)}" for name, value in sent.items()]
        raw.sendall(("\r\n".join(["GET / HTTP/1.1", *lines]) + "\r\n\r\n").encode())
        assert raw.recv(100).split()[1] == str(status or 101).encode()
        assert running.metric('openpi_refused_connections_total{reason="foreign_page"}') == bool(status)


def test_without_keys_the_page_is_shown_under_own_names_only():
    def status(port, host):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    with served.serve(_Echo()) as running:
        assert status(running.port, f"localhost:{running.port}") == 200
        assert status(running.port, "evil.example") == 403
        assert _get(running.port, "/healthz")[0] == 200
    with served.serve(_Echo(), keys=api_keys.ApiKeys([_KEY])) as running:
        assert status(running.port, "robot.lab") == 401
