import json

import pytest

from openpi.data.rlds import recording, tfds_info


@pytest.fixture
def folder(tmp_path):
    episodes = [recording.droid_episode(i, 2) for i in range(3)]
    return recording.write(tmp_path / "droid/1.0.1", episodes)


def test_what_the_folder_tells(folder):
    info = tfds_info.load(folder)
    assert info.name == "droid/1.0.1"
    assert [path.name for path in info.files] == [
        "droid_101-train.tfrecord-00000-of-00002",
        "droid_101-train.tfrecord-00001-of-00002",
    ]
    assert info.num_records == (2, 1)
    assert info.features == {path: tfds_info.Feature(*feature) for path, feature in recording.FEATURES.items()}


def test_files_of_other_splits_and_formats_are_left_alone(folder):
    for name in ("droid_101-val.tfrecord-00000-of-00001", "x-train.array_record-00000-of-00002", "notes.txt"):
        (folder / name).write_bytes(b"")
    assert len(tfds_info.load(folder).files) == 2


def test_text_may_be_declared_as_a_tensor(folder):
    described = json.loads((folder / "features.json").read_text())
    metadata = described["featuresDict"]["features"]["episode_metadata"]["featuresDict"]["features"]
    metadata["file_path"] = {"tensor": {"shape": {}, "dtype": "string", "encoding": "none"}}
    (folder / "features.json").write_text(json.dumps(described))
    assert tfds_info.load(folder).features["episode_metadata/file_path"] == tfds_info.Feature("text")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("dataset_info.json", None, "no TFDS dataset in .*: it has no dataset_info.json"),
        ("dataset_info.json", "{", "dataset_info.json is no JSON"),
        ("dataset_info.json", "[" * 100_000, "dataset_info.json is no JSON"),
        ("dataset_info.json", "[]", "splits is None, no list"),
        ("dataset_info.json", '{"splits": [{"name": "test"}]}', "no split 'train', only .'test'."),
        ("dataset_info.json", '{"splits": [{"name": "train"}]}', "shardLengths is None, no list"),
        ("dataset_info.json", '{"splits": [{"name": "train", "shardLengths": ["-1"]}]}', "has '-1', no count"),
        (
            "dataset_info.json",
            '{"splits": [{"name": "train", "shardLengths": [1, 1, 1]}]}',
            "droid_101-train.tfrecord-00000-of-00003 is missing",
        ),
        ("droid_101-train.tfrecord-00001-of-00002", None, "tfrecord-00001-of-00002 is missing: fetch it"),
        ("droid-train.tfrecord-00001-of-00002", "", "2 names before -train.tfrecord"),
        ("features.json", None, "features.json"),
        ("features.json", "[]", "the whole is no description of a feature"),
        ("features.json", '{"featuresDict": {}}', "featuresDict of '' has no features"),
        ("features.json", '{"featuresDict": {"features": {"steps": {"sequence": 3}}}}', "steps is no description"),
        ("features.json", '{"tensor": {"shape": {"dimensions": ["-2"]}}}', "the shape of '' is"),
        ("features.json", '{"tensor": {"shape": {"dimensions": ["99999999999"]}}}', "the shape of '' is"),
        ("features.json", '{"tensor": {"shape": {"dimensions": 7}}}', "the shape of '' is"),
    ],
)
def test_what_makes_no_sense_is_named(folder, file, content, message):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        tfds_info.load(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_metadata_of_absurd_size_are_not_read(folder):
    with (folder / "features.json").open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ValueError, match="features.json has 1099511627776 bytes, more than"):
        tfds_info.load(folder)


def test_a_description_nested_beyond_reason(folder):
    opening, closing = '{"featuresDict": {"features": {"a": ', "}}}"
    (folder / "features.json").write_text(opening * 1000 + '{"text": {}}' + closing * 1000)
    with pytest.raises(ValueError, match="features.json is (no JSON|nested too deeply)"):
        tfds_info.load(folder)
