"""The program as a user starts it: a process of its own, a real socket, a real checkpoint."""

import re
import select
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import numpy as np
import pytest

from openpi.client import robot_description, robot_observation, websocket_client_policy
from openpi.policies import tiny_checkpoint
from openpi.testing import program

_READY = re.compile(r"ready: ws://127\.0\.0\.1:(\d+) serves (\S+)\n")
_START_SECONDS = 120


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint.write(tmp_path_factory.mktemp("checkpoints") / "run")


class _Server:
    def __init__(self, *flags, cwd=None):
        self.process = subprocess.Popen(
            [*program.command("openpi/serve"), *flags],
            cwd=cwd,
            env=program.environment(BUILD_WORKING_DIRECTORY=str(cwd or "")),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr))
        self.reader.start()
        readable, _, _ = select.select([self.process.stdout], [], [], _START_SECONDS)
        line = self.process.stdout.readline() if readable else ""
        self.ready = _READY.fullmatch(line)
        if not self.ready:
            self.process.kill()
            self.reader.join()
            raise AssertionError(f"not ready: {line!r}; log: {''.join(self.log)}")
        self.port = int(self.ready[1])

    def client(self):
        return websocket_client_policy.WebsocketClientPolicy("127.0.0.1", self.port, connect_timeout=10)

    def end(self, number):
        self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()


def _run(*flags):
    """The exit code and the error output of a server that should not start."""
    done = subprocess.run(
        [*program.command("openpi/serve"), *flags],
        env=program.environment(OPENPI_OFFLINE="1"),
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )
    assert "ready:" not in done.stdout
    return done.returncode, done.stderr


def _error(stderr):
    """The one line that says what is wrong."""
    assert "Traceback" not in stderr
    lines = [line for line in stderr.splitlines() if line.startswith("serve: error: ")]
    assert len(lines) == 1, stderr
    assert stderr.endswith(lines[0] + "\n")
    return lines[0]


def test_serves_clients_until_sigterm(checkpoint):
    with _Server(f"--checkpoint={checkpoint}", "--port=0") as server:
        assert server.ready[2] == str(checkpoint)
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=5) as reply:
            assert reply.read() == b"OK\n"

        observation = tiny_checkpoint.observation()
        with server.client() as first, server.client() as second:
            robot = robot_description.from_dict(first.get_server_metadata()["robot"])
            robot_observation.check_observation(robot, observation)
            assert robot_observation.make_example(robot, np.random.default_rng(1)).keys() == observation.keys()
            results = [first.infer(observation), second.infer(observation), first.infer(observation)]
            for result in results:
                assert sorted(result) == ["actions", "policy_timing", "server_timing"]
                assert result["actions"].shape == (tiny_checkpoint.ACTION_HORIZON, 14)
                assert result["actions"].dtype == np.float64
            assert sorted(results[0]["server_timing"]) == ["infer_ms"]
            assert sorted(results[2]["server_timing"]) == ["infer_ms", "prev_total_ms"]
            # Warmed up before it was ready: the first client does not wait for a compilation.
            assert results[0]["server_timing"]["infer_ms"] < 2000

            # Denoising steps by request: another result, no compilation, and a bound.
            noise = np.zeros((tiny_checkpoint.ACTION_HORIZON, 14), np.float32)
            few, many = (first.infer({**observation, "openpi": {"num_steps": n, "noise": noise}}) for n in (2, 50))
            assert np.abs(few["actions"] - many["actions"]).max() > 1e-6
            assert many["server_timing"]["infer_ms"] < 2000
            with server.client() as bad, pytest.raises(RuntimeError, match="num_steps=1000 is not between 1 and 100"):
                bad.infer({**observation, "openpi": {"num_steps": 1000}})
            with server.client() as bad, pytest.raises(RuntimeError, match="must have 14 numbers"):
                bad.infer({**observation, "state": np.ones(13)})
            with server.client() as bad, pytest.raises(RuntimeError, match="camera 'images/cam_high' is missing"):
                bad.infer({**observation, "images": {"cam_low": observation["images"]["cam_low"]}})
            with server.client() as bad, pytest.raises(RuntimeError, match="'state'"):
                bad.infer({"images": observation["images"]})
            assert second.infer(observation)["actions"].shape == (tiny_checkpoint.ACTION_HORIZON, 14)

            start = time.monotonic()
            assert server.end(signal.SIGTERM) == 0
            assert time.monotonic() - start < 15
        assert "Traceback" not in "".join(server.log)


def test_ctrl_c_ends_it_and_relative_paths_are_the_users(checkpoint):
    run = checkpoint.parent
    with _Server(f"--checkpoint={run.name}", "--port=0", "--num_steps=1", cwd=run.parent) as server:
        assert server.ready[2] == str(checkpoint)  # The latest step of the run.
        assert server.end(signal.SIGINT) == 0


def test_a_port_in_use_is_told_before_anything_is_loaded(checkpoint):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        code, stderr = _run(f"--checkpoint={checkpoint}", f"--port={port}")
    assert code == 1
    assert re.search(rf"port {port} on 127\.0\.0\.1 is in use; .*--port", _error(stderr))
    assert "loading" not in stderr


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        (["--checkpoint={tmp}", "--port=0"], 1, r"is not a checkpoint"),
        (["--checkpoint={tmp}/none", "--port=0"], 1, r"no checkpoint at .*/none"),
        (["--port=0"], 1, r"--checkpoint=DIR"),
        (["--checkpoint=x", "--prot=1"], 2, r"prot.*did you mean.*port"),
        (["--checkpoint=x", "--num_steps=101"], 2, r"num_steps.*100"),
        (["--checkpoint=gs://bucket/pi0", "--port=0"], 1, r"gs://bucket/pi0 is needed and this is offline"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, flags, code, text):
    returned, stderr = _run(*(flag.format(tmp=tmp_path) for flag in flags))
    assert returned == code
    assert re.search(text, _error(stderr), re.IGNORECASE)


def test_help_explains_with_an_example():
    done = subprocess.run(
        [*program.command("openpi/serve"), "--help"],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )
    assert done.returncode == 0
    assert "bazel run //openpi/serve -- --checkpoint=" in done.stdout
    for flag in ("--checkpoint", "--host", "--port", "--default_prompt", "--num_steps", "--config", "--config_name"):
        assert flag in done.stdout
