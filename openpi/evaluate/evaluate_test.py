"""The program as a user starts it: in one process, against a server, and with what a policy must beat."""

import html.parser
import json
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

from openpi.client import base_policy
from openpi.policies import create, tiny_checkpoint
from openpi.server import served
from openpi.sims.aloha import record
from openpi.testing import program

_SECONDS = 200


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "tiny"
    tiny_checkpoint.write(path)
    return path


def _evaluate(*flags, cwd, **environment):
    return program.run("openpi/evaluate", *flags, cwd=cwd, timeout=_SECONDS, **environment)


def test_in_process_with_baselines(run_dir, tmp_path):
    """Relative paths are the user's; every policy is given the same starts."""
    record.generate(tmp_path / "home/datasets/openpi/aloha_reach", num_episodes=2, seed=0, progress=False)
    done = _evaluate(
        f"--checkpoint={run_dir}",
        "--episodes=2",
        "--video_episodes=1",
        "--seed=5",
        "--baselines",
        "--quantize=int8",
        "--output_dir=out",
        cwd=tmp_path,
        OPENPI_DATA_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == 0, done.stderr
    assert "replanning every 5 steps of 0.1 s" in done.stdout
    for name in ("checkpoint tiny/7, int8", "untrained", "black image", "mean demonstration"):
        assert re.search(
            rf"^{name} +\d+ % \(\d+-\d+\) +\d+ % \(\d+-\d+\) +\d+\.\d cm +25\.0$", done.stdout, re.MULTILINE
        )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "results.json",
        "results.jsonl",
        "results.html",
        "results_films",
        "episodes.mp4",
        "episodes.png",
    }
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["conditions"]["seed"], results["conditions"]["quantize"]) == (5, "int8")
    assert {"python", "jax", "mujoco"} <= results["versions"].keys()
    distances = {row["policy"]: [episode["distance"] for episode in row["episodes"]] for row in results["rows"]}
    assert len({tuple(found) for found in distances.values()}) == 4  # They do differ.


def test_a_server_gives_what_the_policy_in_process_gives(run_dir, tmp_path):
    flags = ["--episodes=2", "--replan_steps=10", "--video_episodes=0"]
    server = subprocess.Popen(
        [*program.command("openpi/serve"), f"--checkpoint={run_dir}", "--port=0"],
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert select.select([server.stdout], [], [], _SECONDS)[0]
        port = re.search(r"ready: ws://127\.0\.0\.1:(\d+) ", server.stdout.readline())[1]
        done = _evaluate("--host=127.0.0.1", f"--port={port}", "--json=served.json", *flags, cwd=tmp_path)
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^server 127\.0\.0\.1:{port} +\d+ %", done.stdout, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == {"served.json", "served.jsonl", "served.html"}
    assert _evaluate(f"--checkpoint={run_dir}", "--json=own.json", *flags, cwd=tmp_path).returncode == 0
    served_row, own = (json.loads((tmp_path / name).read_text())["rows"][0] for name in ("served.json", "own.json"))
    assert len(own["episodes"]) == 2
    assert _untimed(served_row) == _untimed(own)


class _Gate(base_policy.BasePolicy):
    """Another policy that answers only as many requests as it is let."""

    def __init__(self, policy):
        self._policy, self._let = policy, threading.Semaphore(0)

    def let(self, count):
        self._let.release(count)

    def infer(self, obs):
        assert self._let.acquire(timeout=_SECONDS)
        return self._policy.infer(obs)


def _start_and_stop(number, flags, journal, cwd):
    """Starts an evaluation, stops it by a signal once an episode is kept, and returns how it ended."""
    started = subprocess.Popen(
        [*program.command("openpi/evaluate"), *flags],
        cwd=cwd,
        env=program.environment(BUILD_WORKING_DIRECTORY=str(cwd)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + _SECONDS
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(started.pid, number)
    out, err = started.communicate(timeout=_SECONDS)
    return started.returncode, out, err


def test_what_was_broken_off_goes_on_and_ends_as_if_it_had_not_been(run_dir, tmp_path):
    """A kill and Ctrl-C in the middle of two simulators; then the page, and a comparison of two evaluations."""
    policy = create.create_policy(None, run_dir, engine="plain")
    gate = _Gate(policy)
    with served.serve(gate, {"openpi": {"noise_shape": list(policy.noise_shape)}}) as running:
        flags = ["--host=127.0.0.1", f"--port={running.port}", "--replan_steps=5", "--episodes=5", "--video_episodes=1"]
        broken_off = [*flags, "--parallel=2", "--output_dir=out"]
        journal = tmp_path / "out" / "results.jsonl"
        gate.let(
            12
        )  # Five requests an episode: one episode of two simulators is done at least, and none is after some.
        code, _, _ = _start_and_stop(signal.SIGKILL, broken_off, journal, tmp_path)
        assert code < 0 or code == 128 + signal.SIGKILL
        kept = journal.read_bytes()[: journal.read_bytes().rfind(b"\n") + 1]
        assert 2 <= kept.count(b"\n") < 6

        gate.let(12)
        stopped = [*flags, "--parallel=2", "--output_dir=stopped"]
        code, out, err = _start_and_stop(signal.SIGINT, stopped, tmp_path / "stopped" / "results.jsonl", tmp_path)
        assert (code, "stopped by Ctrl-C" in err) == (130, True), err
        assert re.search(r"\d episodes are kept in stopped/results.jsonl; the same command goes on", out)
        assert not (tmp_path / "stopped" / "results.json").exists()

        gate.let(10_000)
        refused = _evaluate(*broken_off, "--seed=1", cwd=tmp_path)
        assert refused.returncode == 1
        assert "out/results.jsonl holds episodes with seed 0, and now it is 1" in refused.stderr
        whole = _evaluate(*flags, "--output_dir=whole", cwd=tmp_path)
        assert whole.returncode == 0, whole.stderr
        done = _evaluate(*broken_off, "--against=whole/results.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert journal.read_bytes().startswith(kept)
    assert re.search(r"^\d of 5 episodes are in out/results.jsonl already", done.stdout, re.MULTILINE)
    assert re.search(r"^reach +5 +\d+ % +\d+ % +\+0 ", done.stdout, re.MULTILINE)
    mine, other = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("out", "whole"))
    assert [episode["episode"] for episode in mine["rows"][0]["episodes"]] == [0, 1, 2, 3, 4]
    assert _untimed(mine["rows"][0]) == _untimed(other["rows"][0])
    assert mine["comparison"]["rows"][0]["pairs"] == 5
    tags = _tags((tmp_path / "out" / "results.html").read_text())
    assert (tags.count("svg"), tags.count("video"), tags.count("script")) == (1, 1, 0)

    compared = program.run("openpi/evaluate:compare", "out/results.json", "whole/results.json", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"^reach +5 .* 0 +0 +1$", compared.stdout, re.MULTILINE)


def _tags(text):
    found = []
    reader = html.parser.HTMLParser()
    reader.handle_starttag = lambda tag, attrs: found.append(tag)
    reader.feed(text)
    return found


def test_an_evaluation_that_is_done_is_not_played_again_but_anew_if_asked(run_dir, tmp_path):
    flags = [f"--checkpoint={run_dir}", "--video_episodes=0", "--parallel=2", "--max_batch_size=1"]
    assert _evaluate(*flags, "--episodes=2", cwd=tmp_path).returncode == 0
    results = tmp_path / "evaluation" / "results.json"
    first = json.loads(results.read_text())["rows"][0]
    assert _evaluate(*flags, "--episodes=3", cwd=tmp_path).returncode == 0
    second = json.loads(results.read_text())["rows"][0]
    assert second["episodes"][:2] == first["episodes"]  # The seconds, too.
    anew = _evaluate(*flags, "--episodes=3", "--overwrite", "--parallel=1", cwd=tmp_path)
    assert "already" not in anew.stdout
    third = json.loads(results.read_text())["rows"][0]
    assert _untimed(third) == _untimed(second)
    assert third["episodes"] != second["episodes"]


def _untimed(row):
    return [{**episode, "seconds": 0} for episode in row["episodes"]]


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ([], 1, "--host=ADDRESS of a server, or --checkpoint=DIR"),
        (
            ["--host=127.0.0.1", "--port={port}", "--connect_timeout=1"],
            1,
            "no policy server answers at .*//openpi/serve",
        ),
        (["--checkpoint=nowhere"], 1, "no checkpoint at .*nowhere"),
        (["--host=x", "--quantize=fp8"], 1, "--quantize=fp8 is the server's to choose"),
        (["--host=x", "--baselines"], 1, "--baselines needs --checkpoint"),
        (["--checkpoint={run}", "--replan_steps=11"], 1, "--replan_steps=11 is more than the 10 actions of a chunk"),
        (["--checkpoint={run}", "--baselines"], 1, "no LeRobot dataset at .*openpi/aloha_reach"),
        (["--checkpoint={run}", "--against=nowhere.json"], 1, "nowhere.json"),
        (["--checkpoint={run}", "--task=dance"], 2, "task.*dance.*reach"),
        (["--episods=3"], 2, "episods.*did you mean.*episodes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run_dir, tmp_path, flags, code, text):
    done = _evaluate(
        *(flag.format(port=_free_port(), run=run_dir) for flag in flags),
        cwd=tmp_path,
        OPENPI_DATA_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == code
    errors = [line for line in done.stderr.splitlines() if line.startswith("evaluate: error: ")]
    assert len(errors) == 1, done.stderr
    assert re.search(text, errors[0], re.IGNORECASE)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
