"""A disk that takes no more: a file system of 4 MiB that is full, and where nobody may mount one, files that may not grow."""

import subprocess

import pytest

from openpi.testing import program

_MOUNT = 'PATH=$PATH:/usr/bin:/bin:/usr/sbin:/sbin mount -t tmpfs -o size=4m none "$0" && exec "$@"'


def in_a_small_file_system(folder, *command):
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", _MOUNT, str(folder), *command]


def may_mount(folder):
    try:
        tried = subprocess.run(in_a_small_file_system(folder, "true"), capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@pytest.mark.parametrize("kind", ["file system", "files"])
def test_a_checkpoint_that_does_not_fit_is_dropped(tmp_path, kind):
    command = [*program.command("openpi/checkpoints:full_disk_program"), str(tmp_path), kind.replace(" ", "_")]
    if kind == "file system":
        if not may_mount(tmp_path):
            pytest.skip("this machine lets nobody mount a file system of his own")
        command = in_a_small_file_system(tmp_path, *command)
    done = subprocess.run(command, env=program.environment(), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1 False 1",
        "2 True 1",
        "3 True 1",
        "4 True 1",
        "5 False 5",
        "6 False 6",
        "left 6",
    ]
    told = done.stderr.splitlines()
    assert len(told) == 3, done.stderr  # one line for each
    reason = "No space left on device" if kind == "file system" else "File too large"
    for step, line in zip((2, 3, 4), told, strict=True):
        assert line == (
            f"WARNING the checkpoint of step {step} could not be written to {tmp_path}/run: {reason}; the last is of step 1; "
            "training goes on, and the next one is tried"
        )
