import dataclasses

import numpy as np
import pytest

from openpi.client import image_codec, msgpack_numpy, robot_description
from openpi.config import build_transforms, load, table
from openpi.data.lerobot import reader
from openpi.serve import recorded_dataset
from openpi.server import record_file
from openpi.testing import program

_CONFIG = load.load(table.config_path("pi05_droid"))
_ROBOT = build_transforms.robot_of(_CONFIG)
_METADATA = {"robot": _CONFIG.data.robot.to_dict()}
_EXTERIOR, _WRIST = "observation/exterior_image_1_left", "observation/wrist_image_left"


def _record(session, number, *, prompt="fold", size=(32, 48), **changes):
    rng = np.random.default_rng(number)
    observation = {
        "observation/joint_position": np.full(7, number / 10),
        "observation/gripper_position": np.array([0.5]),
        _EXTERIOR: np.full((*size, 3), 10 * number, np.uint8),
        _WRIST: np.full((31, 33, 3), 255 - number, np.uint8),
        **({"prompt": prompt} if prompt else {}),
        **changes,
    }
    message = {key: value for key, value in observation.items() if value is not None}
    message[_EXTERIOR] = image_codec.compress(message[_EXTERIOR], "png")
    actions = rng.random((15, 8))
    return record_file.Record(
        session=session,
        request=number + 1,
        arrived=100 + number / 5,
        drawn=number,
        message=msgpack_numpy.packb(message),
        reply=msgpack_numpy.packb({"actions": actions}),
    )


def _file(path, records, metadata=_METADATA):
    header = record_file.Header(metadata=metadata, checkpoint="c", config_name="pi05_droid", started=0.0)
    path.write_bytes(b"".join([record_file.begin(header), *map(record_file.pack, records)]))
    return record_file.RecordFile(path)


def test_sessions_become_episodes(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir()
    a, b = ([_record(name, number) for number in range(4)] for name in "ab")
    _file(folder / "1.recording", [a[0], b[0], a[1], b[1]])
    _file(folder / "2.recording", [a[2], b[2], dataclasses.replace(_record("a", 3, prompt="unfold"), request=4)])
    done = program.run("openpi/serve:recording_to_lerobot", "--recording=records", "--output=dataset", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dataset: 3 episodes, 7 frames at 5 a second\n"

    dataset = reader.LeRobotDataset(tmp_path / "dataset")
    assert (dataset.fps, dataset.info.robot_type) == (5, _ROBOT.name)
    assert list(dataset.episodes.stop - dataset.episodes.start) == [3, 3, 1]
    assert [dataset.tasks[index] for index in dataset.table("task_index")] == ["fold"] * 6 + ["unfold"]
    order = [*a[:3], *b[:3], a[3]]
    actions = [record.result["actions"][0] for record in order]
    np.testing.assert_allclose(dataset.table("action"), actions, atol=1e-6)
    states = [[record.drawn / 10] * 7 + [0.5] for record in order]
    np.testing.assert_allclose(dataset.table("observation.state"), states, atol=1e-6)
    assert tuple(dataset.info.features["action"].names) == _ROBOT.actions
    kinds = {key: dataset.info.features[key].dtype for key in dataset.image_keys}
    assert kinds == {
        "observation.images.exterior_image_1_left": "video",
        "observation.images.wrist_image_left": "image",  # of an odd size
    }
    wrist = dataset.frames("observation.images.wrist_image_left", np.arange(7))
    np.testing.assert_array_equal(np.asarray(wrist)[:, 0, 0, 0], [255, 254, 253, 255, 254, 253, 252])
    exterior = np.asarray(dataset.frames("observation.images.exterior_image_1_left", np.arange(7)))
    np.testing.assert_allclose(exterior.mean(axis=(1, 2, 3)), [0, 10, 20, 0, 10, 20, 30], atol=3)


def test_a_camera_that_some_requests_lack_is_left_out(tmp_path):
    planned = recorded_dataset.plan(
        [_file(tmp_path / "1.recording", [_record("a", 0), _record("a", 1, **{_WRIST: None})])], task=None
    )
    assert list(planned.cameras) == [_EXTERIOR]
    assert planned.left_out == [_WRIST]
    assert planned.rate == pytest.approx(5)


@pytest.mark.parametrize(
    ("records", "metadata", "text"),
    [
        ([], _METADATA, "the recording holds no request"),
        ([_record("a", 0)], {}, "1.recording does not tell its robot"),
        ([_record("a", 0, prompt="")], _METADATA, "request a-1 has no prompt: say with --task"),
        ([_record("a", 0), _record("a", 1, size=(16, 16))], _METADATA, f"{_EXTERIOR} changes its size in request a-2"),
    ],
)
def test_what_makes_no_dataset_is_refused(tmp_path, records, metadata, text):
    with pytest.raises(ValueError, match=text):
        recorded_dataset.plan([_file(tmp_path / "1.recording", records, metadata)], task=None)


def test_answers_without_actions_leave_no_dataset(tmp_path):
    record = dataclasses.replace(_record("a", 0, prompt=""), reply=msgpack_numpy.packb({"actions": np.zeros((15, 7))}))
    planned = recorded_dataset.plan([_file(tmp_path / "1.recording", [record])], task="fold")
    assert planned.rate is None
    with pytest.raises(ValueError, match="request a-1 was answered no actions \\[steps, 8\\]"):
        recorded_dataset.write(planned, tmp_path / "dataset", 5)
    assert not (tmp_path / "dataset").exists()


def test_two_robots_are_told_apart(tmp_path):
    other = {"robot": {**_METADATA["robot"], "name": "other"}}
    robot_description.from_dict(other["robot"])
    files = [_file(tmp_path / f"{n}.recording", [_record("a", 0)], data) for n, data in enumerate((_METADATA, other))]
    with pytest.raises(ValueError, match="1.recording is of another robot than the files before it"):
        recorded_dataset.plan(files, task=None)
