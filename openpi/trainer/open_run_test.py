import pytest

from openpi.checkpoints import layout
from openpi.config import json_file
from openpi.trainer import distributed, open_run, tiny_dataset


class _Second(distributed.Processes):
    """Process 1 after process 0 has done its part."""

    index, count = 1, 2


def test_the_first_makes_it_and_the_second_finds_it(tmp_path):
    run_dir = tmp_path / "run"
    config = tiny_dataset.config(overwrite=True)
    open_run.open_run(run_dir, config, distributed.ALONE).close()
    assert not json_file.load(run_dir / layout.CONFIG_FILE).overwrite
    before = sorted(entry.name for entry in run_dir.iterdir())
    open_run.open_run(run_dir, config, _Second()).close()  # and deletes nothing
    assert sorted(entry.name for entry in run_dir.iterdir()) == before


def test_a_folder_that_is_not_shared(tmp_path):
    config = tiny_dataset.config()
    with pytest.raises(
        FileNotFoundError, match=r"set config\.checkpoint_base_dir to a folder that all processes share"
    ):
        open_run.open_run(tmp_path / "run", config, _Second())
    assert not (tmp_path / "run").exists()
