import json
import pickle

import numpy as np
import pytest

from openpi.data.rlds import droid, recording

LENGTHS = (4, 6, 5)  # the second failed


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    episodes = [recording.droid_episode(i, n, success=i != 1) for i, n in enumerate(LENGTHS)]
    recording.write(root / "droid/1.0.1", episodes)
    ranges = {"/data/success/day/2/recordings/MP4--/data/success/day/2/trajectory.h5": [[1, 3], [4, 5]]}
    (root / "ranges.json").write_text(json.dumps(ranges))
    return root


def dataset(root, **options):
    return droid.DroidDataset(root / "droid/1.0.1", root / "cache", **{"action_horizon": 3} | options)


def near(image, episode, step, camera):
    return np.abs(image.transpose(1, 2, 0).astype(int) - recording.picture(episode, step, camera)).max() <= 6


def test_an_item(root):
    frames = dataset(root)
    values = recording.droid_episode(2, 5)
    assert len(frames) == 9 and frames.fps == 15
    item = frames[4 + 3]  # step 3 of the last episode
    assert {key: (value.shape, value.dtype.name) for key, value in item.items() if not isinstance(value, str)} == {
        "observation/image": ((3, 36, 64), "uint8"),
        "observation/wrist_image": ((3, 36, 64), "uint8"),
        "observation/joint_position": ((7,), "float32"),
        "observation/gripper_position": ((1,), "float32"),
        "actions": ((3, 8), "float32"),
        "actions_is_pad": ((3,), "bool"),
    }
    assert near(item["observation/wrist_image"], 2, 3, 2)
    assert near(item["observation/image"], 2, 3, 0) or near(item["observation/image"], 2, 3, 1)
    joints = values["steps/observation/joint_position"].astype(np.float32)
    np.testing.assert_array_equal(item["observation/joint_position"], joints[3])
    expected = [
        [*values["steps/action_dict/joint_position"][t], *values["steps/action_dict/gripper_position"][t]]
        for t in (3, 4, 4)  # clamped to the last step
    ]
    np.testing.assert_array_equal(item["actions"], np.float32(expected))
    assert item["actions_is_pad"].tolist() == [False, False, True]
    assert item["prompt"] == item["task"] and item["prompt"] in ("task 2", "task 2_2", "")


def test_joint_velocities(root):
    item = dataset(root, action_space="joint_velocity")[0]
    values = recording.droid_episode(0, 4)
    np.testing.assert_array_equal(item["actions"][:, :7], np.float32(values["steps/action_dict/joint_velocity"][:3]))
    np.testing.assert_array_equal(item["actions"][:, 7:], np.float32(values["steps/action_dict/gripper_position"][:3]))


def test_camera_and_instruction_are_drawn_independently(root):
    frames, rng = dataset(root), np.random.default_rng(0)
    counts = np.zeros((2, 3), int)
    for _ in range(600):
        item = frames.sample(1, rng)
        camera = 0 if near(item["observation/image"], 0, 1, 0) else 1
        counts[camera, ("task 0", "task 0_2", "").index(item["prompt"])] += 1
    assert counts.min() > 60 and counts.max() < 140, counts  # 100 each; five standard deviations are 46


def test_a_generator_repeats_itself_and_an_item_is_always_the_same(root):
    def equal(a, b):
        return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)

    frames = dataset(root)
    assert equal(frames.sample(1, np.random.default_rng(5)), frames.sample(1, np.random.default_rng(5)))
    assert equal(frames[3], pickle.loads(pickle.dumps(frames))[3])
    draws = [frames.sample(1, np.random.default_rng(seed)) for seed in range(8)]
    assert not all(equal(draws[0], draw) for draw in draws)


def test_tables_are_those_of_the_items(root):
    frames = dataset(root, ranges=root / "ranges.json", only_success=False)
    rows = np.array([2, 0, 1, 2])
    tables = frames.read_tables(rows)
    assert tables["actions"].shape == (4, 3, 8) and tables["observation/joint_position"].shape == (4, 7)
    for n, row in enumerate(rows.tolist()):
        item = frames[row]
        assert all(np.array_equal(values[n], item[key]) for key, values in tables.items())


def test_filters_leave_their_frames_and_chunks_may_go_beyond_them(root):
    frames = dataset(root, ranges=root / "ranges.json")
    assert len(frames) == 3
    joints = recording.droid_episode(2, 5)["steps/observation/joint_position"].astype(np.float32)
    tables = frames.read_tables(np.arange(3))
    np.testing.assert_array_equal(tables["observation/joint_position"], joints[[1, 2, 4]])
    actions = recording.droid_episode(2, 5)["steps/action_dict/joint_position"].astype(np.float32)
    np.testing.assert_array_equal(tables["actions"][1, :, :7], actions[[2, 3, 4]])


def test_episodes_are_those_that_have_frames(root):
    everything = dataset(root, only_success=False)
    assert everything.episodes.start.tolist() == [0, 4, 10] and everything.episodes.stop.tolist() == [4, 10, 15]
    frames = dataset(root)
    assert frames.episodes.start.tolist() == [0, 4] and frames.episodes.stop.tolist() == [4, 9]
    filtered = dataset(root, ranges=root / "ranges.json")
    assert filtered.episodes.start.tolist() == [0] and filtered.episodes.stop.tolist() == [3]
    assert set(everything.tasks) == {"", *(f"task {i}{suffix}" for i in range(3) for suffix in ("", "_2"))}


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    values = {**recording.droid_episode(0, 3)}
    values["steps/observation/wrist_image_left"][1] = b"no image"
    recording.write(tmp_path / "droid/1.0.1", [values], num_files=1)
    frames = dataset(tmp_path)
    frames[0]
    message = r"episode 0 \(record 0 of .*00000-of-00001\), step 1: observation/wrist_image_left: cannot be decoded"
    with pytest.raises(ValueError, match=message):
        frames[1]


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_number_that_is_not_finite_is_named(tmp_path, value):
    values = {**recording.droid_episode(0, 4)}
    values["steps/action_dict/joint_position"][3, 2] = value
    recording.write(tmp_path / "droid/1.0.1", [values], num_files=1)
    frames = dataset(tmp_path)
    frames[0]
    for row in (1, 2, 3):  # whose chunks of three actions reach it
        message = rf"episode 0 .record 0 of .*00000-of-00001., step {row}: 'actions' holds a value that is not finite"
        with pytest.raises(ValueError, match=message):
            frames[row]


@pytest.mark.parametrize("rows", [[9], [-1, 3], [[1]]])
def test_rows_that_there_are_not_are_named(root, rows):
    with pytest.raises(IndexError, match=r"rows must be int \[n\] from 0 to 8, and are \[+"):
        dataset(root).read_tables(np.array(rows))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"action_space": "JOINTS"}, ValueError, "action_space is 'JOINTS', expected one of joint_position, joint_vel"),
        ({"action_horizon": 0}, ValueError, "action_horizon is 0, and must be at least 1"),
        ({"ranges": "/nowhere.json"}, FileNotFoundError, "no file of frame ranges at /nowhere.json"),
    ],
)
def test_wrong_arguments_are_named(root, options, error, message):
    with pytest.raises(error, match=message):
        dataset(root, **options)


def test_filters_that_leave_nothing_are_named(root, tmp_path):
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(ValueError, match="none of its 15 frames is left after filtering by success by the ranges of"):
        dataset(root, ranges=tmp_path / "none.json")
    for index in (-1, 9):
        with pytest.raises(IndexError, match=f"frame {index} of a dataset of 9 frames"):
            dataset(root)[index]
