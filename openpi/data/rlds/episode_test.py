import dataclasses
import pathlib

import numpy as np
import pytest

from openpi.data.rlds import droid, episode, example_proto, recording, tfds_info

INFO = tfds_info.Info(
    pathlib.Path("droid/1.0.1"),
    (),
    (),
    {path: tfds_info.Feature(*feature) for path, feature in recording.FEATURES.items()},
)


def parse(values):
    return episode.parse(example_proto.serialize(values), droid.LAYOUT)


def test_an_episode():
    values = recording.droid_episode(2, 5)
    data = example_proto.serialize(values)
    found = episode.parse(data, droid.LAYOUT)
    assert len(found) == 5 and found.tables.shape == (5, droid.LAYOUT.width) == (5, 23)
    for name, _ in droid.LAYOUT.tables:
        columns = found.tables[:, droid.LAYOUT.columns(name)]
        np.testing.assert_array_equal(columns, values[f"steps/{name}"].astype(np.float32), err_msg=name)
    for t in range(5):
        for camera, name in enumerate(droid.LAYOUT.images):
            start, size = found.image_start[t, camera], found.image_size[t, camera]
            assert data[start : start + size] == values[f"steps/{name}"][t]
    assert found.texts == [["task 2"] * 5, ["task 2_2"] * 5, [""] * 5]
    assert found.metadata == [values[path][0] for path in droid.LAYOUT.metadata]


def test_an_episode_of_no_steps_has_none():
    assert len(parse(recording.droid_episode(0, 0))) == 0


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("steps/language_instruction_2", None, "feature 'steps/language_instruction_2' is missing"),
        ("episode_metadata/file_path", None, "feature 'episode_metadata/file_path' is missing"),
        ("episode_metadata/file_path", ["a", "b"], "feature 'episode_metadata/file_path' has 2 values, expected one"),
        ("steps/observation/joint_position", np.zeros(34), "has 34 numbers, no multiple of 7"),
        ("steps/observation/joint_position", np.zeros(28), "has 4 steps and '.*' has 5"),
        ("steps/observation/joint_position", [b"x"] * 5, "holds bytes, where floats are wanted"),
        ("steps/observation/wrist_image_left", np.zeros(5), "holds floats, where bytes are wanted"),
        ("steps/observation/wrist_image_left", [b"x"] * 6, "has 5 steps and '.*wrist_image_left' has 6"),
        ("steps/language_instruction", [b"\xff"] * 5, r"holds b'\\xff', no UTF-8 text"),
    ],
)
def test_what_disagrees_is_named(path, value, message):
    values = {**recording.droid_episode(0, 5), path: value}
    with pytest.raises(ValueError, match=message):
        parse({key: value for key, value in values.items() if value is not None})


@pytest.mark.parametrize(
    ("path", "feature", "message"),
    [
        ("steps/observation/joint_position", None, "has no feature 'steps/observation/joint_position'; it has"),
        ("steps/observation/joint_position", ("tensor", (6,)), r"has shape \[6\], expected \[7\]"),
        ("steps/observation/joint_position", ("text",), "is a text with encoding 'none', and a plain tensor"),
        ("steps/observation/joint_position", ("tensor", (7,), "float64", "zlib"), "with encoding 'zlib'"),
        ("steps/observation/wrist_image_left", ("image", (9, 9, 1)), r"has shape \[9, 9, 1\], expected \[H, W, 3\]"),
        ("steps/observation/wrist_image_left", ("tensor", (7,)), "is a tensor .*, and a plain image is expected"),
    ],
)
def test_a_dataset_of_other_features_is_refused(path, feature, message):
    droid.LAYOUT.check(INFO)
    features = {key: value for key, value in INFO.features.items() if key != path}
    if feature:
        features[path] = tfds_info.Feature(*feature)
    with pytest.raises(ValueError, match=message):
        droid.LAYOUT.check(dataclasses.replace(INFO, features=features))
