"""The program as a user starts it: a process of its own, a real socket, a real checkpoint."""

import concurrent.futures
import contextlib
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from websockets import exceptions
from websockets.sync import client

from openpi.client import msgpack_numpy, robot_description, robot_observation, websocket_client_policy
from openpi.policies import create, tiny_checkpoint
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

    def client(self, connect_timeout=10, **options):
        return websocket_client_policy.WebsocketClientPolicy(
            "127.0.0.1", self.port, connect_timeout=connect_timeout, **options
        )

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


class _Probes:
    """Asks a health port again and again, as a cluster does; `seen` is what it heard: path and status."""

    def __init__(self, port):
        self.seen, self._port, self._stop = [], port, threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self):
        while not self._stop.wait(0.05):
            for path in ("/livez", "/readyz"):
                with contextlib.suppress(ConnectionError, urllib.error.URLError):
                    self.seen.append((path, self._get(path)))

    def _get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def _until(condition, told):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, told
        time.sleep(0.02)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        return holder.getsockname()[1]


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


def test_a_chunk_goes_on_from_the_running_one(checkpoint):
    flags = (f"--checkpoint={checkpoint}", "--port=0", "--max_batch_size=1", "--real_time_chunking", "--quantize=int8")
    observation = tiny_checkpoint.observation()
    with _Server(*flags) as server, server.client() as client:
        running = client.infer(observation)["actions"]
        alone = create.create_policy(None, checkpoint, quantize="int8").infer(observation)["actions"]
        np.testing.assert_allclose(running, alone, rtol=0, atol=1e-5 * np.abs(alone).max())
        for method in ("full", "identity"):
            rtc = {"remainder": running[2:], "delay": 1, "horizon": 2, "method": method}
            result = client.infer({**observation, "openpi": {"rtc": rtc}})
            deviation = np.abs(result["actions"][0] - running[2]).max()
            assert result["openpi"]["rtc"] == {"delay": 1, "horizon": 2, "deviation": deviation}


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
            rtc = {"remainder": many["actions"], "delay": 1, "horizon": 2}
            with server.client() as bad, pytest.raises(RuntimeError, match="started without --real_time_chunking"):
                bad.infer({**observation, "openpi": {"rtc": rtc}})
            with server.client() as bad, pytest.raises(RuntimeError, match="num_steps=1000 is not between 1 and 100"):
                bad.infer({**observation, "openpi": {"num_steps": 1000}})
            with server.client() as bad, pytest.raises(RuntimeError, match="must have 14 numbers"):
                bad.infer({**observation, "state": np.ones(13)})
            with server.client() as bad, pytest.raises(RuntimeError, match="camera 'images/cam_high' is missing"):
                bad.infer({**observation, "images": {"cam_low": observation["images"]["cam_low"]}})
            with server.client() as bad, pytest.raises(RuntimeError, match="'state'"):
                bad.infer({"images": observation["images"]})
            assert second.infer(observation)["actions"].shape == (tiny_checkpoint.ACTION_HORIZON, 14)

            # What is asked while the signal comes is answered, or the connection is closed in order.
            sent, answered, closed = [], [], []

            def ask():
                with client.connect(f"ws://127.0.0.1:{server.port}", compression=None) as connection:
                    connection.recv()
                    try:
                        while True:
                            connection.send(msgpack_numpy.packb({**observation, "openpi": {"num_steps": 50}}))
                            sent.append(1)
                            answered.append(connection.recv(timeout=10))
                    except exceptions.ConnectionClosed as end:
                        closed.append(end.rcvd.code)

            asker = threading.Thread(target=ask)
            asker.start()
            while len(answered) < 3:
                time.sleep(0.01)
            start = time.monotonic()
            assert server.end(signal.SIGTERM) == 0
            assert time.monotonic() - start < 15
            asker.join()
            assert closed == [1001]
            assert len(sent) - len(answered) <= 1
        assert "Traceback" not in "".join(server.log)


def test_both_engines_answer_alike(checkpoint):
    noise = np.random.default_rng(0).normal(size=(tiny_checkpoint.ACTION_HORIZON, 14))
    asked = {**tiny_checkpoint.observation(), "openpi": {"noise": noise}}
    answers = []
    for engine in ("fused", "plain"):
        with _Server("--checkpoint", str(checkpoint), "--port=0", "--max_batch_size=1", f"--engine={engine}") as server:
            with server.client() as policy:
                answers.append(policy.infer(asked)["actions"])
            assert server.end(signal.SIGTERM) == 0
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-5 * np.abs(answers[1]).max())


def test_a_request_may_choose_among_chunks_of_images_seen_once(checkpoint):
    flags = ("--port=0", "--max_batch_size=1", "--max_candidates=2", "--kept_images=1")
    asked = {**tiny_checkpoint.observation(), "openpi": {"candidates": 2}}
    with _Server("--checkpoint", str(checkpoint), *flags) as server:
        with server.client() as policy:
            told = [policy.infer(asked) for _ in range(2)]
            for result in told:
                assert result["openpi"]["candidates"].shape == (2, tiny_checkpoint.ACTION_HORIZON, 14)
                chosen = result["openpi"]["candidates"][np.argmin(result["openpi"]["uncertainty"])]
                np.testing.assert_array_equal(result["actions"], chosen)
            assert np.abs(told[0]["actions"] - told[1]["actions"]).max() > 0  # another key
        with server.client() as policy, pytest.raises(RuntimeError, match="--max_candidates"):
            policy.infer({**asked, "openpi": {"candidates": 3}})
        assert server.end(signal.SIGTERM) == 0


def test_keys_probes_batches_a_newer_step_and_a_restart(checkpoint, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run / checkpoint.name)
    (tmp_path / "keys").write_text("# the lab\n0123456789abcdef\n")
    health_port, port = (_free_port() for _ in range(2))
    flags = [
        f"--checkpoint={run.name}",  # Relative to where the user stands.
        f"--port={port}",
        f"--health_port={health_port}",
        "--api_key_file=keys",
        "--max_batch_size=4",
    ]
    probes = _Probes(health_port)
    with probes, _Server(*flags, cwd=tmp_path) as server:
        assert server.ready[2] == str(run / "7")  # The latest step of the run.
        # Before the model was compiled the process was alive, and not ready.
        _until(lambda: ("/readyz", 200) in probes.seen, probes.seen)
        assert probes.seen.index(("/readyz", 503)) < probes.seen.index(("/readyz", 200))
        assert ("/livez", 200) in probes.seen
        assert not [status for path, status in probes.seen if path == "/livez" and status != 200]
        with pytest.raises(ConnectionError, match="401"):
            server.client()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.client(api_key="0123456789abcdef")) for _ in range(4)]
            noise = np.random.default_rng(0).normal(size=(5, tiny_checkpoint.ACTION_HORIZON, 14))
            requests = [
                {**tiny_checkpoint.observation(i), "openpi": {"noise": noise[i], "num_steps": 3 if i == 2 else 2}}
                for i in range(4)
            ]
            alone = [clients[0].infer(request)["actions"] for request in requests]
            sizes = set()
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for _ in range(10):
                    results = list(pool.map(lambda each, request: each.infer(request), clients, requests))
                    for result, actions in zip(results, alone, strict=True):
                        np.testing.assert_allclose(result["actions"], actions, atol=1e-5)
                    sizes |= {result["openpi"]["batch_size"] for result in results}
            assert max(sizes) > 1

            # A newer step takes over, and the clients stay.
            shutil.copytree(checkpoint, tmp_path / "8")
            (tmp_path / "8").rename(run / "8")
            server.process.send_signal(signal.SIGHUP)
            _until(lambda: f"{run}/8 serves now" in "".join(server.log), server.log)
            np.testing.assert_allclose(clients[0].infer(requests[0])["actions"], alone[0], atol=1e-5)

            server.end(signal.SIGKILL)
            with pytest.raises(ConnectionError):
                clients[0].infer(requests[0])

        # A client that comes while nobody serves waits; then it is served by the next process on the same port.
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(server.client, api_key="0123456789abcdef", connect_timeout=_START_SECONDS)
            with _Server(*flags, cwd=tmp_path) as restarted:
                with waiting.result() as back:
                    np.testing.assert_allclose(back.infer(requests[0])["actions"], alone[0], atol=1e-5)
                assert restarted.end(signal.SIGINT) == 0


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
        (["--env=DROID", "--checkpoint=x"], 1, r"--env=DROID chooses configuration and checkpoint itself"),
        (["--env=DROID", "--port=0"], 1, r"gs://openpi-assets/checkpoints/pi05_droid is needed and this is offline"),
        (["--checkpoint=x", "--host=0.0.0.0", "--port=0"], 1, r"--api_key_file=FILE.* or say --insecure"),
        (["--checkpoint=x", "--prot=1"], 2, r"prot.*did you mean.*port"),
        (["--checkpoint=x", "--num_steps=101"], 2, r"num_steps.*100"),
        (["--checkpoint=x", "--quantize=int4"], 2, r"quantize.*none\|int8\|fp8\|int8_dynamic"),
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
    for flag in (
        "--checkpoint",
        "--host",
        "--port",
        "--default_prompt",
        "--num_steps",
        "--config",
        "--config_name",
        "--env",
    ):
        assert flag in done.stdout
