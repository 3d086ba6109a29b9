import pathlib

import pytest

from openpi.checkpoints import layout

STEP = pathlib.Path(__file__).parent / "testdata" / "checkpoint_tiny_pi0"


def make_step(run, name):
    (run / name / "params").mkdir(parents=True)
    (run / name / "params" / "_METADATA").write_text("{}")


def test_finds_step_run_and_params(tmp_path):
    assert layout.find_step_dir(STEP) == STEP
    for step in ("5", "30", "007", "40.orbax-checkpoint-tmp-1"):
        make_step(tmp_path, step)
    (tmp_path / "50").mkdir()  # empty: not a checkpoint
    assert layout.complete_steps(tmp_path) == [5, 30]
    assert layout.find_step_dir(tmp_path) == tmp_path / "30"
    assert layout.find_step_dir(tmp_path / "5") == tmp_path / "5"
    for path in (tmp_path, tmp_path / "30", tmp_path / "30" / "params"):
        assert layout.find_params_dir(path) == tmp_path / "30" / "params"


def test_not_a_checkpoint(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "interrupted" / "3.orbax-checkpoint-tmp-9").mkdir(parents=True)
    (tmp_path / "other" / "src").mkdir(parents=True)
    for name, message in [
        ("missing", "no such folder"),
        ("file", "is a file"),
        ("interrupted", "--config.resume"),
        ("other", "is not a checkpoint"),
    ]:
        with pytest.raises(FileNotFoundError, match=message) as error:
            layout.find_step_dir(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="assets:fetch -- gs://"):
        layout.find_params_dir("gs://openpi-assets/checkpoints/pi0_base/params")


def test_run_dir(tmp_path):
    assert layout.run_dir(tmp_path, "pi0", "first") == tmp_path / "pi0" / "first"
    for bad in ("", "..", "a/b", "/etc"):
        with pytest.raises(ValueError, match="exp_name"):
            layout.run_dir(tmp_path, "pi0", bad)


def test_norm_stats_dir(tmp_path):
    assert layout.norm_stats_dir(tmp_path, "owner/robot") == tmp_path / "assets" / "owner" / "robot"
    for bad in ("", "../x", "/etc"):
        with pytest.raises(ValueError, match="asset_id"):
            layout.norm_stats_dir(tmp_path, bad)
