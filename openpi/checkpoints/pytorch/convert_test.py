"""The program as a user starts it."""

import pathlib

import jax
import numpy as np
import pytest

from openpi.checkpoints import restore
from openpi.checkpoints.pytorch import read
from openpi.testing import program

CHECKPOINT = pathlib.Path(__file__).absolute().parents[1] / "testdata" / "checkpoint_tiny_pi0"


def run(*arguments, cwd):
    """(exit code, output, error) of the program, started in `cwd`."""
    done = program.run("openpi/checkpoints/pytorch:convert", *arguments, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def test_there_and_back(tmp_path):
    code, output, error = run(
        f"--from={CHECKPOINT}", "--to=torch", "--layout=lerobot", "--action_horizon=3", cwd=tmp_path
    )
    assert (code, output, error) == (0, f"written to {tmp_path}/torch\n", "")
    code, output, error = run("--from=torch", "--to=jax", "--layout=jax", "--precision=float32", cwd=tmp_path)
    assert (code, output, error) == (0, f"written to {tmp_path}/jax\n", "")
    original = restore.restore_params(CHECKPOINT)
    for tree in (read.read_params(tmp_path / "torch"), restore.restore_params(tmp_path / "jax")):
        assert jax.tree.structure(tree) == jax.tree.structure(original)
        jax.tree.map(lambda ours, theirs: np.testing.assert_array_equal(ours, theirs, strict=True), tree, original)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "--from is not given; see --help"),
        (("--from=x", "--to=y", "--layout=onnx"), 2, "--layout=onnx"),
        (("--from=x", "--to=y", "--layout=jax", "z"), 2, "unexpected argument 'z'"),
        (("--from=x", "--to=y", "--layout=jax"), 1, "no checkpoint at {cwd}/x: no such folder"),
        (("--from=ftp://x/y", "--to=y", "--layout=jax"), 1, "ftp://x/y"),
        (("--from={checkpoint}", "--to=y", "--layout=openpi"), 1, "give it, e.g. --action_horizon=50"),
    ],
)
def test_bad_input_is_one_clear_line_and_writes_nothing(tmp_path, arguments, code, message):
    places = {"cwd": tmp_path, "checkpoint": CHECKPOINT}
    found, output, error = run(*(argument.format(**places) for argument in arguments), cwd=tmp_path)
    assert (found, output, error.count("\n")) == (code, "", 1), error
    assert error.startswith("convert: error: ") and message.format(**places) in error
    assert not any(tmp_path.iterdir())


def test_help_explains(tmp_path):
    code, output, _ = run("--help", cwd=tmp_path)
    assert code == 0 and "--layout: <openpi|lerobot|jax>" in output
