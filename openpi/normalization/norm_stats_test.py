import json
import pathlib

import numpy as np
import pytest

from openpi.normalization import norm_stats

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"


def test_load_golden():
    expected = np.load(_DIRECTORY / "full" / "expected.npz")
    stats = norm_stats.load(_DIRECTORY / "full")
    assert list(stats) == ["state", "actions"]
    for path in expected.files:
        key, field = path.split("/")
        np.testing.assert_array_equal(getattr(stats[key], field), expected[path], strict=True)


@pytest.mark.parametrize("name", ["full", "without_quantiles"])
def test_save_writes_the_very_bytes(name, tmp_path):
    norm_stats.save(tmp_path / "assets" / "org" / "robot", norm_stats.load(_DIRECTORY / name))
    written = list((tmp_path / "assets" / "org" / "robot").iterdir())
    assert [path.name for path in written] == ["norm_stats.json"]
    assert written[0].read_bytes() == (_DIRECTORY / name / "norm_stats.json").read_bytes()


def test_quantiles_may_be_absent_and_other_fields_are_ignored(tmp_path):
    _write(tmp_path, {"norm_stats": {"state": {"mean": [1, 2], "std": [3, 4], "extra": "x"}}, "version": 1})
    stats = norm_stats.load(tmp_path)["state"]
    assert stats.q01 is None
    assert stats.q99 is None
    assert stats.mean.dtype == np.float64


def test_missing_file_says_where_and_how_to_mend(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        norm_stats.load(tmp_path / "robot")
    assert str(caught.value) == (
        f"norm stats not found: no norm_stats.json in {tmp_path / 'robot'}; compute them with `tools/bazel run "
        "//openpi/norm_stats -- --config=...` (of the same configuration) or set config.data.assets_dir"
    )


def _one(**fields):
    return {"norm_stats": {"state": fields}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ([], "'norm_stats' must be"),
        ({"state": {}}, "'norm_stats' must be"),
        ({"norm_stats": {"state": 1}}, "'norm_stats.state' must be"),
        (_one(mean=[1.0]), "'norm_stats.state.std' must be a flat list"),
        (_one(mean=[1.0], std=None), "'norm_stats.state.std' must be a flat list"),
        (_one(mean=[[1.0]], std=[1.0]), "'norm_stats.state.mean' must be a flat list"),
        (_one(mean=[True], std=[1.0]), "'norm_stats.state.mean' must be a flat list"),
        (_one(mean=[1.0], std=["a"]), "'norm_stats.state.std' must be a flat list"),
        (_one(mean=[1.0], std=[1.0, 2.0]), "std' has 2 numbers, its mean 1"),
        (_one(mean=[1.0], std=[1.0], q99=[]), "q99' has 0 numbers, its mean 1"),
        (_one(mean=[float("nan")], std=[1.0]), "mean' holds a number that is not finite"),
        (_one(mean=[10**400], std=[1.0]), "mean' holds a number that is not finite"),
    ],
)
def test_malformed_files_are_named_with_the_field(content, message, tmp_path):
    _write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as caught:
        norm_stats.load(tmp_path)
    assert str(tmp_path / "norm_stats.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def _write(directory, content):
    text = content if isinstance(content, str) else json.dumps(content)
    (directory / "norm_stats.json").write_text(text)
