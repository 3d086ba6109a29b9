"""The program as a user starts it, on small RLDS datasets of LIBERO's form."""

import json
import shutil

import numpy as np
import pytest

from openpi.data.lerobot import reader
from openpi.data.rlds import recording
from openpi.testing import program

SETS = ("libero_10_no_noops", "libero_goal_no_noops", "libero_object_no_noops", "libero_spatial_no_noops")
SIDE = 32
FEATURES = {
    "steps/observation/image": ("image", (SIDE, SIDE, 3), "uint8"),
    "steps/observation/wrist_image": ("image", (SIDE, SIDE, 3), "uint8"),
    "steps/observation/state": ("tensor", (8,), "float32"),
    "steps/action": ("tensor", (7,), "float32"),
    "steps/language_instruction": ("text",),
    "steps/is_last": ("tensor", (), "bool"),
    "episode_metadata/file_path": ("text",),
}


def episode(number, length):
    images = [
        [recording.encode(recording.picture(number, t, c, (SIDE, SIDE)), "PNG") for t in range(length)] for c in (0, 1)
    ]
    return {
        "steps/observation/image": images[0],
        "steps/observation/wrist_image": images[1],
        "steps/observation/state": np.arange(length * 8).reshape(length, 8) + np.float32(number),
        "steps/action": np.arange(length * 7).reshape(length, 7) - np.float32(number),
        "steps/language_instruction": [f"pick up object {number % 3}"] * length,
        "steps/is_last": np.arange(length) == length - 1,
        "episode_metadata/file_path": [f"demo_{number}.hdf5"],
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two episodes in each of the four sets, of 3 to 6 steps."""
    root = tmp_path_factory.mktemp("rlds")
    for i, name in enumerate(SETS):
        episodes = [episode(2 * i + n, 3 + (2 * i + n) % 4) for n in range(2)]
        recording.write(root / name / "1.0.0", episodes, num_files=2, name="libero", features=FEATURES)
    return root


@pytest.fixture
def data_dir(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "rlds")


def run(*arguments, cwd):
    return program.run("openpi/convert:libero", *arguments, cwd=cwd)


@pytest.mark.parametrize(
    ("options", "version", "dtype", "tolerance"),
    [
        ((), "v3.0", "video", 12),
        (("--images=image", "--version=v2.1"), "v2.1", "image", 0),
    ],
)
def test_what_was_converted_is_read(recorded, tmp_path, options, version, dtype, tolerance):
    done = run(f"--data_dir={recorded}", f"--output={tmp_path}/libero", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("8 episodes, 36 frames, ")
    described = json.loads((tmp_path / "libero/meta/info.json").read_text())
    assert (described["codebase_version"], described["robot_type"]) == (version, "panda")
    assert described["features"]["wrist_image"]["dtype"] == dtype
    frames = reader.LeRobotDataset(tmp_path / "libero")
    assert frames.fps == 10 and (frames.episodes.stop - frames.episodes.start).tolist() == [3, 4, 5, 6] * 2
    row = 0
    for number in range(8):
        values = episode(number, 3 + number % 4)
        for t in range(3 + number % 4):
            item = frames[row]
            assert item["task"] == f"pick up object {number % 3}"
            np.testing.assert_array_equal(item["state"], values["steps/observation/state"][t])
            np.testing.assert_array_equal(item["actions"], values["steps/action"][t])
            for camera, key in enumerate(("image", "wrist_image")):
                expected = recording.picture(number, t, camera, (SIDE, SIDE)).astype(int)
                assert np.abs(item[key].transpose(1, 2, 0) - expected).max() <= tolerance
            row += 1


def test_some_of_the_sets(recorded, tmp_path):
    done = run(f"--data_dir={recorded}", f"--output={tmp_path}/goal", f"--sets={SETS[1]}", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("2 episodes, 11 frames, ")


def without_first_set(folder):
    shutil.rmtree(folder / SETS[0])


def truncated(folder):
    file = folder / SETS[2] / "1.0.0/libero-train.tfrecord-00001-of-00002"
    file.write_bytes(file.read_bytes()[:-5])


def changed(folder):
    file = folder / SETS[2] / "1.0.0/libero-train.tfrecord-00001-of-00002"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def one_record(**values):
    def change(folder):
        shutil.rmtree(folder / SETS[2])
        good = episode(4, 3)
        changed = {**good, **{f"steps/{key.replace('__', '/')}": value for key, value in values.items()}}
        recording.write(folder / SETS[2] / "1.0.0", [good, changed], num_files=1, name="libero", features=FEATURES)

    return change


def other_features(folder):
    shutil.rmtree(folder / SETS[2])
    features = {**FEATURES, "steps/action": ("tensor", (6,), "float32")}
    recording.write(folder / SETS[2] / "1.0.0", [], num_files=1, name="libero", features=features)


BAD = [  # what is done to the files, what is told, whether that episode can be left out
    (without_first_set, "libero_10_no_noops holds 0 versions of a TFDS dataset, expected one", False),
    (truncated, "tfrecord-00001-of-00002: record 0: its ", False),
    (other_features, "feature 'steps/action' has shape [6], expected [7]", False),
    (changed, "tfrecord-00001-of-00002: record 0: the checksum of its ", True),
    (one_record(action=np.zeros((2, 7))), "record 1: feature 'steps/action' has 2 steps and", True),
    (one_record(language_instruction=[""] * 3), "record 1: it has no instruction", True),
    (one_record(observation__image=[b"junk"] * 3), "record 1: step 0: image cannot be decoded", True),
]


@pytest.mark.parametrize(("change", "message", "can_be_left_out"), BAD)
def test_bad_input_is_one_line_and_leaves_nothing(data_dir, tmp_path, change, message, can_be_left_out):
    change(data_dir)
    done = run(f"--data_dir={data_dir}", f"--output={tmp_path}/libero", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("libero: error: ") and message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rlds"]
    if can_be_left_out:
        done = run(f"--data_dir={data_dir}", f"--output={tmp_path}/libero", "--skip_bad_episodes", cwd=tmp_path)
        assert done.returncode == 0 and done.stdout.startswith("7 episodes, ") and "1 skipped" in done.stdout
        assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output=x",), "--data_dir is needed"),
        (("--data_dir=x",), "give --output=FOLDER"),
        (("--data_dir=x", "--output=x", "--sets="), "--sets is needed"),
    ],
)
def test_a_command_line_that_makes_no_sense(tmp_path, arguments, message):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
