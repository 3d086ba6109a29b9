import pathlib

import pytest

from openpi.checkpoints import run_directory


def make_run(run):
    for step in ("5", "10"):
        (run / step / "params").mkdir(parents=True)
        (run / step / "_CHECKPOINT_METADATA").write_text("{}")
    (run / "15.orbax-checkpoint-tmp-3").mkdir()
    for name in (
        "metrics.jsonl",
        "config.json",
        "loss.png",
        "first_batch.png",
        "events.out.tfevents.1.host",
        "bad_batches/7.npz",
        "validation/10.json",
        "validation/10_episode_3.png",
        "wandb/offline-run-1-a/run-a.wandb",
        "wandb/debug-internal.log",
        "profile/plugins/profile/1/host.xplane.pb",
    ):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("x")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_new_and_empty_folders_are_made(tmp_path):
    for flags in ({"overwrite": False, "resume": False}, {"overwrite": True, "resume": False}):
        run = run_directory.prepare(tmp_path / "a" / "b", **flags)
        assert run.is_dir()


@pytest.mark.parametrize("prepare", [run_directory.check, run_directory.prepare])
def test_existing_run_needs_a_choice(tmp_path, prepare):
    make_run(tmp_path)
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match=r"--config\.resume.*--config\.overwrite") as error:
        prepare(tmp_path, overwrite=False, resume=False)
    assert str(tmp_path) in str(error.value)
    with pytest.raises(ValueError, match="choose one"):
        prepare(tmp_path, overwrite=True, resume=True)
    assert names(tmp_path) == before


def test_resume_drops_only_half_written_checkpoints(tmp_path):
    make_run(tmp_path)
    before = names(tmp_path)
    run_directory.check(tmp_path, overwrite=False, resume=True)
    assert names(tmp_path) == before
    run_directory.prepare(tmp_path, overwrite=False, resume=True)
    assert names(tmp_path) == [name for name in before if "tmp" not in name]


def test_overwrite_deletes_a_run(tmp_path):
    make_run(tmp_path)
    before = names(tmp_path)
    run_directory.check(tmp_path, overwrite=True, resume=False)
    assert names(tmp_path) == before
    run_directory.prepare(tmp_path, overwrite=True, resume=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "foreign", ["notes.txt", ".bashrc", "src/main.py", "2024/holiday.jpg", "link", "validation/notes.txt", "wandb/key"]
)
def test_overwrite_refuses_what_training_did_not_write(tmp_path, foreign):
    make_run(tmp_path / "run")
    path = tmp_path / "run" / foreign
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(tmp_path) if foreign == "link" else path.write_text("precious")
    before = names(tmp_path)
    with pytest.raises(FileExistsError, match="training did not write") as error:
        run_directory.prepare(tmp_path / "run", overwrite=True, resume=False)
    assert pathlib.Path(foreign).parts[0] in str(error.value)
    assert names(tmp_path) == before


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(NotADirectoryError):
        run_directory.check(tmp_path / "run", overwrite=True, resume=False)
