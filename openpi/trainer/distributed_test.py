"""Small processes on this machine, which meet through JAX's runtime as large ones do."""

import re
import signal
import subprocess
import time

import pytest

from openpi.testing import processes, program
from openpi.trainer import distributed

_PROGRAM = "openpi/trainer:distributed_test_program"
_FAST = "--silence_seconds=4"


def run(tmp_path, *flags, count=2, **options):
    return processes.run(_PROGRAM, [[_FAST, *flags]] * count, cwd=tmp_path, timeout=60, **options)


def test_processes_meet_make_things_once_and_part(tmp_path):
    ends = run(tmp_path, f"--file={tmp_path / 'made'}", count=3, devices=2)
    for index, end in enumerate(ends):
        assert (end.returncode, end.stderr) == (0, "")
        assert end.stdout.splitlines()[-1] == f"process {index} of 3: 6 devices, last step 19"
    assert ["made the file" in end.stdout for end in ends] == [True, False, False]


def test_who_differs_is_told_before_anything_is_computed(tmp_path):
    flags = [[_FAST, "--fact=blue"], [_FAST, "--fact=blue"], [_FAST, "--fact=red"]]
    for end in processes.run(_PROGRAM, flags, cwd=tmp_path, timeout=60):
        assert end.returncode == 1
        assert end.stderr == (
            "trainer: error: the processes do not agree: --fact is 'blue' in process 0 and 'red' in process 2; start all with the "
            "same configuration, code and data\n"
        )


@pytest.mark.parametrize(
    ("fail", "victim", "here", "there"),
    [
        (
            "value",
            0,
            "trainer: error: the cube is gone\n",
            "process 0 of 2 failed, and this one, 1, ends too: the cube is gone\n",
        ),
        ("bug", 1, "TypeError: a bug\n", "process 1 of 2 failed, and this one, 0, ends too: a bug\n"),
        ("kill", 1, "", "process 1 of 2 has not been heard of for 4 s: "),
    ],
)
def test_one_fails_and_the_other_ends(tmp_path, fail, victim, here, there):
    began = time.monotonic()
    ends = run(tmp_path, f"--fail={fail}", f"--victim={victim}")
    assert ends[victim].stderr.endswith(here)
    assert ends[victim].returncode == (-signal.SIGKILL if fail == "kill" else 1)
    assert ends[1 - victim].returncode == 1
    assert ends[1 - victim].stderr.startswith(f"trainer: error: {there}")
    assert ends[1 - victim].stderr.count("\n") == 1
    assert time.monotonic() - began < 40


def test_process_0_is_killed(tmp_path):
    """JAX's runtime lives in it: it may be the one that ends the others, in its own words."""
    ends = run(tmp_path, "--fail=kill", "--victim=0")
    assert ends[0].returncode == -signal.SIGKILL
    assert ends[1].returncode in (1, -signal.SIGABRT)


def test_one_hangs(tmp_path):
    with processes.started(_PROGRAM, [[_FAST, "--fail=freeze"]] * 2, cwd=tmp_path) as (first, _):
        (end,) = processes.finish([first], 60)
    assert end.returncode == 1
    assert "process 1 of 2 has not been heard of for 4 s" in end.stderr


def test_a_signal_to_one_ends_all_after_the_same_step(tmp_path):
    with processes.started(_PROGRAM, [[_FAST, "--for_ever"]] * 2, cwd=tmp_path) as group:
        while group[1].stdout.readline() != "step 5\n":
            assert group[1].poll() is None
        group[1].send_signal(signal.SIGTERM)
        ends = processes.finish(group, 60)
    assert [end.returncode for end in ends] == [signal.SIGTERM, signal.SIGTERM]
    assert len({end.stdout.rpartition(":")[2] for end in ends}) == 1


def test_nobody_there(tmp_path):
    address = f"127.0.0.1:{processes.free_port()}"
    lines = {
        1: f"trainer: error: process 1 of 2 cannot reach the coordinator, process 0, at {address} within 2 s (",
        0: f"trainer: error: process 0 of 2 waited 2 s at {address}, and not all processes came: ",
    }
    for index, line in lines.items():
        group = (f"--coordinator={address}", "--num_processes=2", f"--process_id={index}")
        end = program.run(_PROGRAM, *group, "--join_seconds=2", cwd=tmp_path, timeout=60, JAX_PLATFORMS="cpu")
        assert (end.returncode, end.stderr.count("\n")) == (1, 1)
        assert end.stderr.startswith(line)


def test_no_cluster(tmp_path):
    end = program.run(_PROGRAM, "--distributed=auto", cwd=tmp_path, timeout=60, JAX_PLATFORMS="cpu")
    assert end.returncode == 1
    assert end.stderr.startswith("trainer: error: --distributed=auto finds no cluster here (")
    assert end.stderr.count("\n") == 1


def test_a_slurm_job_is_found(tmp_path):
    """As srun sets the environment of two tasks on this machine."""
    job = {"SLURM_JOB_ID": "12", "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_NODES": "1"}
    job |= {"JAX_PLATFORMS": "cpu", "JAX_COORDINATOR_PORT": str(processes.free_port())}
    tasks = [
        subprocess.Popen(
            [*program.command(_PROGRAM), "--distributed=slurm", _FAST],
            env=program.environment(**job, SLURM_PROCID=str(index), SLURM_LOCALID=str(index)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    ends = processes.finish(tasks, 60)
    assert [end.returncode for end in ends] == [0, 0], ends
    assert "process 1 of 2: 2 devices, last step 19" in ends[1].stdout


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"coordinator": "host:1"}, "belong together"),
        ({"coordinator": "host", "num_processes": 2, "process_id": 0}, "--coordinator=host is not HOST:PORT"),
        ({"coordinator": "host:1", "num_processes": 2, "process_id": 2}, "--process_id=2 and --num_processes=2"),
        ({"coordinator": "host:1", "num_processes": 2, "process_id": -1}, "--process_id=-1"),
        ({"cluster": "auto", "process_id": 0}, "not both"),
    ],
)
def test_a_rendezvous_that_makes_no_sense(fields, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        distributed.Rendezvous(**fields)
