"""The program as a user starts it, on a small RLDS dataset; training then reads what it wrote."""

import json

import numpy as np
import pytest

from openpi.data.rlds import droid, recording
from openpi.testing import program


def velocity(moving):
    return np.cumsum(np.array(moving, np.float64))[:, None] * np.ones((1, 7))


@pytest.fixture
def data_dir(tmp_path):
    episodes = [
        recording.droid_episode(0, 43, velocity=velocity([True] * 20 + [False] * 7 + [True] * 16)),
        recording.droid_episode(1, 30, velocity=velocity([False] * 30), success=False),
        recording.droid_episode(2, 20, velocity=velocity([True] * 20), success=False),
    ]
    recording.write(tmp_path / "data/droid/1.0.1", episodes)
    return tmp_path / "data"


def run(*arguments, cwd):
    return program.run("openpi/convert:droid_idle_ranges", *arguments, cwd=cwd, OPENPI_DATA_HOME=str(cwd / "home"))


def test_ranges_of_every_episode(data_dir, tmp_path):
    done = run(f"--data_dir={data_dir}", "--output=out/ranges.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"26 of 93 frames in 3 episodes are kept: {tmp_path}/out/ranges.json\n"
    assert "\r" not in done.stderr
    ranges = json.loads((tmp_path / "out/ranges.json").read_text())
    assert list(ranges.values()) == [[[0, 10], [27, 33]], [], [[0, 10]]]
    assert list(ranges)[1] == "/data/failure/day/1/recordings/MP4--/data/failure/day/1/trajectory.h5"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ranges.json"]
    frames = droid.DroidDataset(
        data_dir / "droid/1.0.1", tmp_path / "home/rlds", action_horizon=2, ranges=tmp_path / "out/ranges.json"
    )
    assert len(frames) == 16


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--output=o.json",), 2, "--data_dir is needed"),
        (("--data_dir={data_dir}",), 2, "--output is needed"),
        (("--data_dir=nowhere", "--output=o.json"), 1, "no TFDS dataset in {tmp_path}/nowhere/droid/1.0.1"),
        (("--data_dir={data_dir}", "--version=2", "--output=o.json"), 1, "no TFDS dataset in {data_dir}/droid/2"),
    ],
)
def test_bad_input_is_one_line(data_dir, tmp_path, arguments, code, message):
    names = {"data_dir": data_dir, "tmp_path": tmp_path}
    done = run(*(argument.format(**names) for argument in arguments), cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(f"droid_idle_ranges: error: {message.format(**names)}")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "o.json").exists()


def test_a_damaged_file_is_named(data_dir, tmp_path):
    file = data_dir / "droid/1.0.1/droid_101-train.tfrecord-00001-of-00002"
    file.write_bytes(file.read_bytes()[:-5])
    done = run(f"--data_dir={data_dir}", "--output=ranges.json", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"{file}: record 0: its " in done.stderr and not (tmp_path / "ranges.json").exists()
