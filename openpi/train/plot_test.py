"""The program as a user starts it, on runs that logged something."""

import pytest

from openpi.testing import program
from openpi.trainer import metrics_writer


@pytest.fixture
def runs(tmp_path):
    for name in ("first", "second"):
        directory = tmp_path / "checkpoints" / "aloha" / name
        directory.mkdir(parents=True)
        with metrics_writer.MetricsWriter(directory) as writer:
            for step in range(60):
                writer.write(step, {"loss": 1.0 / (step + 1), "grad_norm": 2.0})
    return tmp_path


def plot(cwd, *arguments):
    return program.run("openpi/train:plot", *arguments, cwd=cwd)


def test_draws_the_runs_below_a_folder(runs):
    done = plot(runs, "checkpoints", "--metric=loss,grad_norm", "--output=new/curves.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "new/curves.png: loss, grad_norm of aloha/first, aloha/second\n"
    assert (runs / "new" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert plot(runs, "checkpoints/aloha/first").returncode == 0
    assert (runs / "curves.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "give RUN..."),
        (("nowhere",), 1, "nowhere is no folder; give those of runs"),
        (
            ("checkpoints", "--metric=los"),
            1,
            "--metric=los was not logged; did you mean 'loss'? (known: grad_norm, loss)",
        ),
        (("checkpoints", "--smooth=0"), 2, "--smooth=0"),
    ],
)
def test_an_error_is_one_line(runs, arguments, code, words):
    done = plot(runs, *arguments)
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("plot: error: ") and words in line
    assert not (runs / "curves.png").exists()
