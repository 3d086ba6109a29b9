"""The load balancer of the deploy files, before two servers."""

import concurrent.futures
import contextlib
import re
import shutil
import socket
import subprocess
import time

import pytest
from websockets.sync import client

from openpi.client import base_policy, msgpack_numpy
from openpi.serve.deploy import deploy_files
from openpi.server import served, websocket_server


def test_the_load_balancer_knows_ports_and_patience():
    text = deploy_files.text("haproxy.cfg")
    assert f"bind :{deploy_files.PORT}\n" in text
    assert set(re.findall(r"server \w+ [\w-]+:(\d+)", text)) == {str(deploy_files.PORT)}
    assert re.findall(r"check port (\d+)", text) == [str(deploy_files.HEALTH_PORT)]
    (tunnel,) = re.findall(r"timeout tunnel (\d+)s", text)
    assert int(tunnel) > 2 * websocket_server.Options().ping_seconds


class _Named(base_policy.BasePolicy):
    def __init__(self, name):
        self.name = name

    def infer(self, obs):
        return {"name": self.name}


@pytest.mark.skipif(not shutil.which("haproxy"), reason="no haproxy here (Debian: apt-get install haproxy)")
def test_behind_the_load_balancer_a_client_comes_back_to_its_server_and_to_another_when_that_stops(tmp_path):
    with contextlib.ExitStack() as stack:
        replicas = {name: stack.enter_context(served.serve(_Named(name))) for name in ("one", "two")}
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
        text = (
            deploy_files.text("haproxy.cfg")
            .replace(f"bind :{deploy_files.PORT}", f"bind 127.0.0.1:{port}")
            .replace("inter 2s", "inter 200ms")
        )
        text = re.sub(rf" check port {deploy_files.HEALTH_PORT}", " check", text)
        text = re.sub(r"    server three .*\n", "", text)
        for name, replica in replicas.items():
            text = re.sub(rf"server {name} \S+", f"server {name} {replica.address}", text)
        (tmp_path / "haproxy.cfg").write_text(text)
        haproxy = subprocess.Popen([str(shutil.which("haproxy")), "-db", "-f", str(tmp_path / "haproxy.cfg")])
        stack.callback(haproxy.wait)
        stack.callback(haproxy.kill)

        def ask():
            with client.connect(f"ws://127.0.0.1:{port}", compression=None, open_timeout=5) as connection:
                connection.recv(timeout=5)
                connection.send(msgpack_numpy.packb({"x": 1}))
                return msgpack_numpy.unpackb(connection.recv(timeout=5))["name"]

        first = _until_answered(ask)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert {asked.result() for asked in [pool.submit(ask) for _ in range(12)]} == {first}
        replicas[first].stop()
        other = _until_answered(ask)
        assert {first, other} == {"one", "two"}
        assert {ask() for _ in range(5)} == {other}


def _until_answered(ask):
    """Asks until somebody answers: the balancer needs a moment to see who is ready."""
    end = time.monotonic() + 30
    while True:
        try:
            return ask()
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
