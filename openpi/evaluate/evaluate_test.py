"""The program as a user starts it: in one process, against a server, and with what a policy must beat."""

import json
import re
import select
import socket
import subprocess

import pytest

from openpi.policies import tiny_checkpoint
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
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"results.json", "episodes.mp4", "episodes.png"}
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (results["conditions"]["seed"], results["conditions"]["quantize"]) == (5, "int8")
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
    assert [path.name for path in tmp_path.iterdir()] == ["served.json"]
    assert _evaluate(f"--checkpoint={run_dir}", "--json=own.json", *flags, cwd=tmp_path).returncode == 0
    served, own = (json.loads((tmp_path / name).read_text())["rows"][0] for name in ("served.json", "own.json"))
    assert len(own["episodes"]) == 2
    assert served["episodes"] == own["episodes"]  # Both policies start from the same random key.


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
