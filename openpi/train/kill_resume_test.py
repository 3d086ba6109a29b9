"""A run that is killed at random moments, again and again, ends as one that nobody disturbs: bit by bit."""

import json
import os
import random
import signal
import subprocess
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.checkpoints import layout
from openpi.testing import program
from openpi.trainer import metrics_writer, tiny_dataset

KILLS = 20  # SIGKILLs of a running training; there are some gentler ends besides
_MOMENTS = ["start", "step", "step", "save", "save", "save", "stop"]
_FOLLOWS = ("step", "loss", "grad_norm", "param_norm", "skipped", "learning_rate")  # others depend on the machine
_SETTINGS = (
    "--config.log_interval=4",
    "--config.on_divergence=skip",
    "--config.divergence_factor=100.0",
    "--config.keep_period=4",
)


class Trainings:
    """Starts trainings, one at a time."""

    def __init__(self, home):
        self._home = home
        self._server = subprocess.Popen(
            program.command("openpi/train:kill_resume_program"),
            env=program.environment(
                OPENPI_DATA_HOME=str(home),
                OPENPI_OFFLINE="1",
                BUILD_WORKING_DIRECTORY=str(home),
                JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(home / "stderr.txt").open("w"),
            text=True,
        )

    def start(self, exp_name, *flags):
        """Returns the process's number."""
        flags = [*tiny_dataset.FLAGS, *_SETTINGS, f"--config.exp_name={exp_name}", *flags]
        self._server.stdin.write(json.dumps(flags) + "\n")
        self._server.stdin.flush()
        return int(self._line())

    def end(self):
        """Waits for it; returns its exit code."""
        return int(self._line())

    def close(self):
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.kill()
        self._server.wait()

    def told(self):
        return (self._home / "stderr.txt").read_text()

    def _line(self):
        while not (line := self._server.stdout.readline()).strip().lstrip("-").isdigit():
            assert line, self.told()
        return line


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    directory = tmp_path_factory.mktemp("home")
    tiny_dataset.record(directory / "datasets" / "openpi" / "aloha_reach")
    return directory


@pytest.fixture(scope="module")
def trainings(home):
    trainings = Trainings(home)
    yield trainings
    trainings.close()


def test_bit_by_bit(home, trainings):
    chance = random.Random(7)
    runs = home / "checkpoints" / "aloha_reach"
    broken, unbroken = runs / "broken", runs / "unbroken"
    kills, moments, resumed_at = 0, [], 0
    while kills < KILLS:
        process = trainings.start(
            "broken", "--config.resume", "--config.save_interval=3", "--config.num_train_steps=100000"
        )
        how = chance.choice(_MOMENTS) if kills else "step"
        wait_for(broken, how, chance)
        if how == "stop":
            os.kill(process, chance.choice([signal.SIGTERM, signal.SIGINT]))
        else:
            os.kill(process, signal.SIGKILL)
            kills += 1
        code = trainings.end()
        assert code in ((130, 143) if how == "stop" else (-signal.SIGKILL,)), trainings.told()
        steps = layout.complete_steps(broken)
        assert (steps[-1] if steps else 0) >= resumed_at  # nothing that was there is lost
        resumed_at = steps[-1] if steps else 0
        moments.append((how, resumed_at))
    assert len({step for _, step in moments}) > KILLS // 3, moments  # it did go on in between

    count = resumed_at + 6
    trainings.start("broken", "--config.resume", "--config.save_interval=3", f"--config.num_train_steps={count}")
    assert trainings.end() == 0, trainings.told()
    trainings.start("unbroken", f"--config.num_train_steps={count}", "--config.save_interval=4")
    assert trainings.end() == 0, trainings.told()

    last = str(count - 1)
    for item in (layout.PARAMS, layout.TRAIN_STATE):
        assert_same_arrays(broken / last / item, unbroken / last / item)
    for file in ("data_iterator/state.json", "loop/state.json", "assets/openpi/aloha_reach/norm_stats.json"):
        assert (broken / last / file).read_bytes() == (unbroken / last / file).read_bytes()
    assert lines(broken) == lines(unbroken)
    assert lines(broken)[-1]["step"] == count - 1
    kept = set(layout.complete_steps(broken)) & set(layout.complete_steps(unbroken))
    assert kept >= {*range(12, count, 12), count - 1}  # saved in both, and multiples of 4
    for step in kept:
        assert_same_arrays(broken / str(step) / layout.TRAIN_STATE, unbroken / str(step) / layout.TRAIN_STATE)
    assert not [entry.name for entry in broken.iterdir() if layout.TEMPORARY_INFIX in entry.name]


def assert_same_arrays(tree_dir, other):
    """Down to the last bit, of everything in it."""
    want, got = (
        jax.tree_util.tree_leaves_with_path(ocp.PyTreeCheckpointHandler().restore(each, args=ocp.args.PyTreeRestore()))
        for each in (other, tree_dir)
    )
    assert [path for path, _ in got] == [path for path, _ in want]
    for (path, x), (_, y) in zip(got, want, strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes(), jax.tree_util.keystr(path)
    assert len(want) > 10


def wait_for(run, how, chance):
    """Until a moment of that kind."""
    deadline = time.monotonic() + 120
    if how == "start":
        time.sleep(chance.uniform(0, 1.5))
        return
    more = chance.randint(1, 6)
    before = lines_of(run)
    while (now := lines_of(run)) < before + more:
        before = min(before, now)  # resuming drops those after the checkpoint
        assert time.monotonic() < deadline
        time.sleep(0.005)
    if how == "save":
        while not any(layout.TEMPORARY_INFIX in entry.name for entry in run.iterdir()):
            assert time.monotonic() < deadline
    time.sleep(chance.uniform(0, 0.1))


def lines_of(run):
    path = run / metrics_writer.FILE_NAME
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def lines(run):
    return [{name: line[name] for name in _FOLLOWS if name in line} for line in metrics_writer.read(run)]
