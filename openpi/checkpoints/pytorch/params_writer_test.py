import ml_dtypes
import numpy as np
import pytest
from flax import traverse_util

from openpi.checkpoints import layout, restore
from openpi.checkpoints.pytorch import params_writer, tensor_file, tiny


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_restores_what_was_written(tmp_path, dtype):
    """Each parameter is asked for once."""
    flat = traverse_util.flatten_dict(tiny.params("pi0", dtype), sep="/")
    asked = []

    def load(path):
        asked.append(path)
        return flat[path]

    leaves = {path: tensor_file.Spec(leaf.shape, leaf.dtype) for path, leaf in flat.items()}
    params_writer.write(tmp_path / "step", leaves, load)
    assert sorted(asked) == sorted(flat)
    assert sorted(entry.name for entry in (tmp_path / "step").iterdir()) == [layout.STEP_MARKER, layout.PARAMS]
    restored = traverse_util.flatten_dict(restore.restore_params(tmp_path / "step"), sep="/")
    assert restored.keys() == flat.keys()
    for path, leaf in flat.items():
        np.testing.assert_array_equal(restored[path], leaf, strict=True)


def test_stored_as_training_stores_it(tmp_path):
    params_writer.write(
        tmp_path / "step", {"a/kernel": tensor_file.Spec((2,), np.dtype(np.float32))}, lambda _: np.ones(2)
    )
    stored = traverse_util.flatten_dict(restore.metadata(tmp_path / "step" / layout.PARAMS), sep="/")
    assert list(stored) == ["params/a/kernel/value"]


def test_parameters_do_not_pile_up(tmp_path):
    """The next one is loaded when the last one is stored and gone."""
    alive = 0

    class Counted(np.ndarray):
        def __del__(self):
            nonlocal alive
            alive -= self.base is None

    def load(path):
        nonlocal alive
        alive += 1
        assert alive <= 2, path
        array = np.ndarray.__new__(Counted, (1 << 20,), np.float32)
        array[:] = 1
        return array

    leaves = {f"w{i}": tensor_file.Spec((1 << 20,), np.dtype(np.float32)) for i in range(6)}
    params_writer.write(tmp_path / "step", leaves, load)
    assert alive == 0


def test_a_failure_is_told(tmp_path):
    def load(path):
        raise ValueError(f"no {path}")

    with pytest.raises(ValueError, match="no w"):
        params_writer.write(tmp_path / "step", {"w": tensor_file.Spec((2,), np.dtype(np.float32))}, load)
