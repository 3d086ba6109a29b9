"""The program as a user starts it."""

import json
import pathlib

import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.checkpoints import restore
from openpi.testing import program

TESTDATA = pathlib.Path(__file__).parent / "testdata"
GOLDEN = TESTDATA / "checkpoint_tiny_pi0"
AVERAGES = TESTDATA / "checkpoint_tiny_pi0_ema"


def inspect(*arguments, cwd="/"):
    target = "openpi/checkpoints:inspect_checkpoint"
    done = program.run(target, *map(str, arguments), cwd=cwd, JAX_PLATFORMS="cpu")
    assert "Traceback" not in done.stderr
    return done


def save(folder, params):
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler()).save(folder / "params", {"params": restore.append_value(params)})


def test_tree_and_totals(tmp_path):
    """Of a run, by a relative path, and as JSON beside the table."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "7").symlink_to(GOLDEN)
    done = inspect("run", "--json=told.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == [f"{tmp_path}/run/7/params", "model: pi0: it has state_proj and action_time_mlp_in"]
    assert any(line.split() == ["state_proj/kernel", "[4,", "8]", "float32", "32", "128", "B"] for line in lines)
    assert lines[-1].split() == ["total", "50", "arrays", "23,140", "90.39", "KiB"]
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["total"] == {"arrays": 50, "parameters": 23_140, "bytes": 92_560}
    assert told["model"]["config_type"] == "pi0"
    assert {"path": "state_proj/kernel", "shape": [4, 8], "dtype": "float32", "parameters": 32, "bytes": 128} in told[
        "arrays"
    ]


def test_values_find_nan(tmp_path):
    params = restore.restore_params(GOLDEN)
    save(tmp_path / "good", params)
    done = inspect(tmp_path / "good", "--values", "--json=-")
    assert done.returncode == 0
    row = next(row for row in json.loads(done.stdout)["arrays"] if row["path"] == "state_proj/kernel")
    kernel = params["state_proj"]["kernel"].astype(np.float64)
    np.testing.assert_allclose([row["min"], row["max"], row["mean"]], [kernel.min(), kernel.max(), kernel.mean()])
    params["state_proj"]["kernel"] = params["state_proj"]["kernel"].copy()
    params["state_proj"]["kernel"][1, :3] = np.nan, np.nan, np.inf
    save(tmp_path / "bad", params)
    done = inspect(tmp_path / "bad", "--values")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["state_proj/kernel: 2 NaN and 1 infinite", "NOT FINITE: 1 array"]


def test_diff(tmp_path):
    same = inspect(GOLDEN, f"--diff={GOLDEN}")
    assert (same.returncode, same.stdout.splitlines()[2].split(":")[0]) == (0, "no difference")
    done = inspect(GOLDEN, "--diff", AVERAGES, "--json=-")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert all(not row["equal"] for row in told["values"])
    params = restore.restore_params(GOLDEN)
    del params["state_proj"]["bias"]
    params["state_proj"]["kernel"] = np.ones((2, 2), np.float32)
    params["new"] = np.ones(3, np.float32)
    params["action_in_proj"]["bias"] = params["action_in_proj"]["bias"].astype(np.float16)
    params["action_out_proj"]["bias"] = params["action_out_proj"]["bias"] + np.float32(0.5)
    save(tmp_path / "other", params)
    done = inspect(GOLDEN, f"--diff={tmp_path / 'other'}")
    assert done.returncode == 1
    text = done.stdout
    assert "only in A: state_proj/bias\nonly in B: new\n" in text
    assert "other shape: state_proj/kernel: [4, 8] in A, [2, 2] in B\n" in text
    assert "other dtype: action_in_proj/bias: float32 in A, float16 in B\n" in text
    assert any(line.split() == ["action_out_proj/bias", "4", "0.5", "0.5"] for line in text.splitlines())
    assert "they differ: 49 arrays in both, 1 only in A, 1 only in B, 1 of another shape, 1 of another dtype" in text
    quick = inspect(GOLDEN, f"--diff={AVERAGES}", "--novalues")
    assert (quick.returncode, "values not compared" in quick.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give CHECKPOINT"),
        (["a", "b"], 2, "give one CHECKPOINT, not 2"),
        (["a", "--vlaues"], 2, "vlaues"),
        (["/nowhere"], 1, "no such folder"),
        ([TESTDATA], 1, "is not a checkpoint"),
        ([TESTDATA / "checkpoint_info.json"], 1, "is a file"),
        ([GOLDEN, "--diff=/nowhere"], 1, "no such folder"),
        ([GOLDEN, "--json=/nowhere/x.json"], 1, "/nowhere/x.json"),
    ],
)
def test_errors_are_one_line(arguments, code, said):
    done = inspect(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.startswith("inspect: error: ")
    assert len(done.stderr.splitlines()) == 1
