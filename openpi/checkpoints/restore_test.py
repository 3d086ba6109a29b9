import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.checkpoints import restore

TESTDATA = pathlib.Path(__file__).parent / "testdata"


def expected(scale=1.0):
    with np.load(TESTDATA / "checkpoint_expected.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] * np.float32(scale) for name in arrays.files}


@pytest.mark.parametrize(("name", "scale"), [("checkpoint_tiny_pi0", 1.0), ("checkpoint_tiny_pi0_ema", 0.5)])
@pytest.mark.parametrize("item", ["params", ""])
def test_golden_checkpoint(name, scale, item):
    params = traverse_util.flatten_dict(restore.restore_params(TESTDATA / name / item), sep="/")
    want = expected(scale)
    assert params.keys() == want.keys()
    for path, array in params.items():
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, want[path], err_msg=path)


def test_cast_and_placement():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    params = restore.restore_params(TESTDATA / "checkpoint_tiny_pi0", dtype=jnp.bfloat16, sharding=sharding)
    for path, array in traverse_util.flatten_dict(params, sep="/").items():
        assert isinstance(array, jax.Array)
        assert array.sharding == sharding
        assert array.dtype == jnp.bfloat16
        np.testing.assert_array_equal(array, expected()[path].astype(jnp.bfloat16))
    host = restore.restore_params(TESTDATA / "checkpoint_tiny_pi0", dtype=jnp.bfloat16)
    jax.tree.map(np.testing.assert_array_equal, params, host)


def test_value_suffix():
    tree = {"a": {"value": {"kernel": 1}}, "value": 2}
    assert restore.append_value(tree) == {"a": {"value": {"kernel": {"value": 1}}}, "value": {"value": 2}}
    assert restore.strip_value(restore.append_value(tree)) == tree
    assert restore.strip_value(tree) is tree  # not every leaf ends with it


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        restore.restore_params(tmp_path / "nothing")


@pytest.mark.parametrize("victim", ["_METADATA", "manifest.ocdbt", "d", "ocdbt.process_0"])
@pytest.mark.parametrize("how", ["lost", "truncated"])
def test_damaged_checkpoint_is_one_clear_line(tmp_path, victim, how):
    root = tmp_path / "checkpoint"
    shutil.copytree(TESTDATA / "checkpoint_tiny_pi0", root)
    path = root / "params" / victim
    if how == "lost":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    try:
        params = restore.restore_params(root / "params")
    except (ValueError, FileNotFoundError) as error:
        assert str(root) in str(error)
        assert "\n" not in str(error)
    else:  # not every file of the store is needed to read it; but then the numbers must be whole
        for name, array in traverse_util.flatten_dict(params, sep="/").items():
            np.testing.assert_array_equal(array, expected()[name])
