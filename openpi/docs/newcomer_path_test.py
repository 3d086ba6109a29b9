"""The newcomer's way, at small size, every step of it."""

import re

from openpi.testing import program

_STEPS = (
    "train in simulation",
    "serve",
    "evaluate",
    "record a dataset of one's own",
    "look at it",
    "its statistics",
    "train on it",
    "evaluate again",
    "the whole way",
)


def test_every_step_succeeds_and_is_timed(tmp_path):
    done = program.run("openpi/docs:newcomer_path", "--folder=here", cwd=tmp_path, timeout=800, JAX_PLATFORMS="cpu")
    assert done.returncode == 0, (done.stdout, done.stderr)
    seconds = {name.strip(): float(number) for name, number in re.findall(r"^(.{34}) *([\d.]+) s$", done.stdout, re.M)}
    assert tuple(seconds) == _STEPS
    *steps, whole = seconds.values()
    assert abs(sum(steps) - whole) < 1
    print(done.stdout[done.stdout.index("\ntrain in simulation  ") :])
    for made in ("my_dataset/meta/info.json", "evaluation/results.html", "again/results.json"):
        assert (tmp_path / "here" / made).is_file(), made


def test_a_step_that_fails_is_named(tmp_path):
    (tmp_path / "checkpoints/aloha_reach/default").mkdir(parents=True)
    (tmp_path / "checkpoints/aloha_reach/default/notes.txt").write_text("mine")
    done = program.run("openpi/docs:newcomer_path", "--folder=.", cwd=tmp_path, timeout=800, JAX_PLATFORMS="cpu")
    assert done.returncode == 1
    assert "newcomer_path: error: train in simulation failed, with exit code 1" in done.stderr
    assert "Traceback" not in done.stderr
