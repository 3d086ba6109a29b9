"""The programs as a user starts them: a server records, and what it recorded is replayed."""

import contextlib
import json
import re
import select
import shutil
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image

from openpi.client import websocket_client_policy
from openpi.policies import tiny_checkpoint
from openpi.serve import replay_noise, replay_target
from openpi.server import record_file
from openpi.testing import program

_READY = re.compile(r"ready: (ws://127\.0\.0\.1:\d+) serves \S+\n")
_START_SECONDS = 120


@contextlib.contextmanager
def _server(*flags, log):
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*program.command("openpi/serve"), *flags],
            env=program.environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        readable, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
        ready = _READY.fullmatch(process.stdout.readline() if readable else "")
        assert ready, log.read_text()
        yield process, ready[1]
    finally:
        process.kill()
        process.wait()


def _replay(cwd, *flags):
    return program.run("openpi/serve:replay", *flags, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two checkpoints: `run/7`, and `other/7`, whose actions are twice as large steps."""
    folder = tmp_path_factory.mktemp("replay")
    tiny_checkpoint.write(folder / "run")
    shutil.copytree(folder / "run", folder / "other")
    (stats,) = (folder / "other").rglob("norm_stats.json")
    told = json.loads(stats.read_text())
    told["norm_stats"]["actions"]["std"] = [0.02] * 14
    stats.write_text(json.dumps(told))
    return folder


def test_records_and_replays(folder):
    observations = [tiny_checkpoint.observation(seed) for seed in range(4)]
    own_noise = np.zeros((tiny_checkpoint.ACTION_HORIZON, 14), np.float32)
    flags = [f"--checkpoint={folder}/run", "--port=0", "--max_batch_size=2", f"--record={folder}/records"]
    with _server(*flags, log=folder / "log") as (process, address):
        client = lambda **options: websocket_client_policy.WebsocketClientPolicy(address, None, **options)
        with client() as first, client(image_format="png") as second, client() as refused:
            answers = [first.infer(observations[0]), second.infer(observations[1])]
            with pytest.raises(RuntimeError, match="must have 14 numbers"):
                refused.infer({**observations[0], "state": np.ones(13)})
            answers.append(first.infer({**observations[2], "openpi": {"noise": own_noise}}))
            answers.append(first.infer({**observations[3], "openpi": {"num_steps": 3, "deadline_ms": 60_000.0}}))

        _check_recorded(folder, observations, answers)
        # The same actions come again, in whatever order.
        target = replay_target.find(address, config=None, api_key_file=None)
        noise = replay_noise.Noise(target.noise_shape)
        (file,) = record_file.read(folder / "records")
        for index, record in reversed(list(enumerate(file))):
            asked, _ = noise.options(index, record, target.noise_shape, record.observation)
            np.testing.assert_allclose(target.infer(asked)["actions"], answers[index]["actions"], atol=1e-5)
        with pytest.raises(replay_target.RequestError, match="must have 14 numbers"):
            target.infer({**observations[0], "state": np.ones(13)})
        assert target.infer(observations[0])["actions"].shape == own_noise.shape  # it has connected anew

        compared = _replay(
            folder,
            *("--recording=records", f"--server={address}", "--against=other", "--limit=4"),
            *("--tolerance=1e-4", "--json=told.json", "--png=told.png"),
        )
        assert compared.returncode == 1, compared.stderr
        assert "ABOVE the tolerance of 0.0001" in compared.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    told = json.loads((folder / "told.json").read_text())
    assert told["requests"] == 4
    assert told["largest"] > 1e-3
    assert (told["replayed"], told["against"], told["failed"]) == (address, "other", [])
    assert Image.open(folder / "told.png").size[0] > 500
    _check_fresh_process(folder)


def _check_recorded(folder, observations, answers):
    """The file holds what was answered while the server still runs."""
    (file,) = record_file.read(folder / "records")
    assert file.header.checkpoint == str(folder / "run" / "7")
    assert file.header.config_name == "aloha_reach"
    assert file.header.metadata["openpi"]["noise_shape"] == [tiny_checkpoint.ACTION_HORIZON, 14]
    assert [record.drawn for record in file] == [0, 1, 2, 3]
    for record, observation, answer in zip(file, observations, answers, strict=True):
        np.testing.assert_array_equal(record.observation["state"], observation["state"])
        np.testing.assert_array_equal(record.observation["images"]["cam_high"], observation["images"]["cam_high"])
        np.testing.assert_array_equal(record.result["actions"], answer["actions"])
    assert len({len(record.message) for record in file}) > 1


def _check_fresh_process(folder):
    """It answers as recorded."""
    done = _replay(folder, "--recording=records", "--checkpoint=run", "--limit=4", "--tolerance=1e-4", "--json=-")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["requests"] == 4
    assert told["largest"] < 1e-4
    assert told["noise"] == {"recorded": 3, "given": 1}
    assert told["joints"][0]["name"] == "left_waist"
    assert told["latency_ms"]["recorded, inference"]["max"] > 0
    assert told["latency_ms"]["replayed, request"]["max"] > 0


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        (["--recording=none", "--checkpoint=run"], 1, "no recording at none.*--record=DIR"),
        (["--recording=none"], 2, "give either --server=ws://... or --checkpoint=DIR"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, flags, code, text):
    done = _replay(folder, *flags)
    assert done.returncode == code
    assert re.search(text, done.stderr)
    assert "Traceback" not in done.stderr
