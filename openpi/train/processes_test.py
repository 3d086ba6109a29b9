"""Training in several processes as a user starts it, with parameters that are split over them."""

import json
import pathlib
import re
import shlex
import signal
import time

import numpy as np
import pytest

from openpi.checkpoints import layout, restore
from openpi.testing import processes
from openpi.trainer import metrics_writer, tiny_dataset

_STEPS = 40
# An embedding of 4 MiB, which is enough to be split; and a step that compiles fast.
_FLAGS = (
    *tiny_dataset.FLAGS,
    "--config.model.vocab_size=65536",
    "--config.model.augmentation=none",
    "--config.model.remat=none",
    "--config.noise_draws=1",
    "--config.lr_schedule.peak_lr=1e-4",
    f"--config.lr_schedule.decay_steps={_STEPS}",
    f"--config.num_train_steps={_STEPS}",
    "--config.save_interval=2",
    "--config.resume",
    "--silence_seconds=10",
)
_README = pathlib.Path(__file__).parent / "launch" / "README.md"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where the user stands, and where the dataset, the runs and the compiled programs are."""
    directory = tmp_path_factory.mktemp("home")
    tiny_dataset.record(directory / "datasets" / "openpi" / "aloha_reach")
    return directory


def started(home, flags, devices=1, **more):
    places = {"OPENPI_DATA_HOME": str(home), "OPENPI_OFFLINE": "1"}
    return processes.started("openpi/train", flags, cwd=home, devices=devices, **places, **more)


def run_dir(home, name):
    return home / "checkpoints" / "aloha_reach" / name


def wait_for_step(group, run, step):
    """Until the run has got there."""
    deadline = time.monotonic() + 400
    while not any(line["step"] >= step for line in metrics_writer.read(run)):
        assert time.monotonic() < deadline
        for process in group:
            assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def two_terminals():
    """The flags of the README's two commands, at another port; --config is the first of them, as it is of tiny_dataset.FLAGS."""
    commands = re.findall(
        r"^tools/bazel run //openpi/train -- (.*)$", _README.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(commands) == 2
    address = f"127.0.0.1:{processes.free_port()}"
    return [shlex.split(command.replace("127.0.0.1:8476", address)) for command in commands]


@pytest.fixture(scope="module")
def alone(home):
    """The run of one process."""
    with started(home, [[*_FLAGS, "--config.exp_name=alone"]]) as group:
        (end,) = processes.finish(group)
    assert end.returncode == 0, end.stderr
    return run_dir(home, "alone")


def test_a_run_goes_on_with_fewer_processes_whatever_happens_to_it(home, alone):
    run = run_dir(home, "together")
    flags = [*_FLAGS, "--config.exp_name=together"]

    # Four processes, of which one is killed: the others end, and what was saved counts.
    with started(home, [[*flags, "--config.fsdp_devices=4"]] * 4) as group:
        wait_for_step(group, run, 3)
        group[2].kill()
        began = time.monotonic()
        ends = processes.finish(group)
        assert time.monotonic() - began < 60
    assert ends[2].returncode == -signal.SIGKILL
    for number in (0, 1, 3):
        assert ends[number].returncode == 1
        assert (
            ends[number]
            .stderr.splitlines()[-1]
            .startswith("train: error: process 2 of 4 has not been heard of for 10 s")
        )
    assert "Step 0" in ends[0].stderr
    assert not any("Step 0" in ends[number].stderr or ends[number].stdout.count("trained") for number in (1, 3))
    begun = layout.complete_steps(run)[-1]
    written = run / str(begun) / layout.PARAMS
    assert len(list(written.glob("ocdbt.process_*"))) == 4  # each its part
    shardings = json.loads((written / "_sharding").read_text()).values()
    assert ["fsdp"] in [json.loads(each)["partition_spec"] for each in shardings]

    # Two with two devices each, as the README starts them. One gets SIGTERM: both finish the same step and save.
    with started(home, [[*own, *flags[1:], "--config.fsdp_devices=2"] for own in two_terminals()], devices=2) as group:
        wait_for_step(group, run, begun + 3)
        group[1].send_signal(signal.SIGTERM)
        ends = processes.finish(group)
    assert [end.returncode for end in ends] == [143, 143], ends
    last = layout.complete_steps(run)[-1]
    assert f"stopped after step {last}; saved in " in ends[0].stdout
    assert begun + 3 <= last < _STEPS - 1

    # One, to the end.
    with started(home, [flags]) as group:
        (end,) = processes.finish(group)
    assert end.returncode == 0, end.stderr
    assert f"trained steps {last + 1} to {_STEPS - 1} in " in end.stdout

    lines, want = metrics_writer.read(run), metrics_writer.read(alone)
    assert [line["step"] for line in lines] == list(range(_STEPS))
    for name in ("loss", "grad_norm", "param_norm", "learning_rate"):
        np.testing.assert_allclose(
            [line[name] for line in lines], [line[name] for line in want], rtol=1e-4, err_msg=name
        )
    assert _position(run).read_text() == _position(alone).read_text()
    got, expected = (restore.restore_params(each) for each in (run, alone))
    np.testing.assert_allclose(
        got["action_in_proj"]["kernel"], expected["action_in_proj"]["kernel"], rtol=1e-3, atol=1e-5
    )


def _position(run):
    return run / str(_STEPS - 1) / layout.DATA_ITERATOR / layout.DATA_ITERATOR_FILE


def test_processes_that_differ_train_nothing(home):
    flags = [*_FLAGS, "--config.exp_name=differing"]
    with started(home, [flags, [*flags, "--config.batch_size=8"]]) as group:
        ends = processes.finish(group)
    for end in ends:
        assert end.returncode == 1
        assert end.stderr.count("\n") == 1
        words = "train: error: the processes do not agree: config.batch_size is 4 in process 0 and 8 in process 1; "
        assert end.stderr.startswith(words)
    assert not run_dir(home, "differing").exists()
