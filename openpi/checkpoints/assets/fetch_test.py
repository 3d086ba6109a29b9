"""The program as a user starts it: killed, interrupted, started twice at once."""

import random
import signal
import subprocess
import time

import pytest

from openpi.checkpoints.assets.faulty_server import FaultyServer
from openpi.testing import program

CONTENT = random.Random(0).randbytes(400_000)
SECONDS = 60


@pytest.fixture
def server():
    with FaultyServer({"/w.bin": CONTENT}) as server:
        yield server


class Fetch:
    """The running program."""

    def __init__(self, home, *arguments, **environment):
        variables = program.environment(OPENPI_DATA_HOME=str(home), BUILD_WORKING_DIRECTORY=str(home), **environment)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "OPENPI_OFFLINE"):
            if name not in environment:
                variables.pop(name, None)
        self.process = subprocess.Popen(
            [*program.command("openpi/checkpoints/assets:fetch"), *arguments],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self):
        """Its exit code, standard output and standard error."""
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, err


def wait_until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def received(home):
    return sum(part.stat().st_size for part in home.rglob("*.part"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_goes_on_after(tmp_path, server, number):
    server.delay = 0.02  # the whole file takes 2 s
    running = Fetch(tmp_path, f"{server.url}/w.bin")
    wait_until(lambda: received(tmp_path) > 100_000)
    running.process.send_signal(number)
    code, out, err = running.end()
    assert out == ""
    if number == signal.SIGINT:
        assert code == 130
        assert err.endswith("fetch: error: stopped by Ctrl-C; run the same command to go on\n")
        assert "Traceback" not in err
    here = received(tmp_path)
    assert 100_000 < here < len(CONTENT)
    server.delay = 0.0
    server.requests.clear()
    code, out, _ = Fetch(tmp_path, f"{server.url}/w.bin").end()
    assert code == 0
    path = tmp_path / "http" / f"127.0.0.1:{server.server_port}" / "w.bin"
    assert out == f"{path}\n"
    assert path.read_bytes() == CONTENT
    assert [request for request in server.requests if request[0] == "GET"] == [("GET", "/w.bin", f"bytes={here}-")]


def test_two_at_once(tmp_path, server):
    server.delay = 0.02
    both = [Fetch(tmp_path, f"{server.url}/w.bin")]
    wait_until(lambda: received(tmp_path) > 0)
    both.append(Fetch(tmp_path, f"{server.url}/w.bin"))
    results = [running.end() for running in both]
    assert [code for code, *_ in results] == [0, 0]
    assert results[0][1] == results[1][1]
    assert server.sent["/w.bin"] == len(CONTENT)
    assert "waiting for another process" in results[1][2]
    assert "fetched http" in results[0][2]


def test_errors_of_one_line(tmp_path, server):
    (tmp_path / "local.txt").write_text("")
    assert Fetch(tmp_path, "local.txt").end() == (0, f"{tmp_path}/local.txt\n", "")
    for arguments, message in [
        (["none.txt"], f"fetch: error: {tmp_path}/none.txt does not exist"),
        (["s3://bucket/x"], "fetch: error: s3://bucket/x: scheme 's3' is unknown"),
        ([f"{server.url}/w.bin", "--offline"], f"fetch: error: {server.url}/w.bin is needed and this is offline"),
    ]:
        code, out, err = Fetch(tmp_path, *arguments).end()
        assert (code, out) == (1, "")
        assert err.startswith(message)
        assert err.count("\n") == 1
    code, _, err = Fetch(tmp_path).end()
    assert code == 2
    assert "give URL..." in err
    assert not server.requests
    assert [path.name for path in tmp_path.iterdir()] == ["local.txt"]
