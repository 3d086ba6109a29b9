import math

import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.checkpoints import array_reader, array_values, stored_tree


@pytest.fixture
def store(tmp_path):
    """Saves arrays and opens them as a checkpoint's."""

    def save(name, tree):
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler()).save(tmp_path / name, tree)
        return stored_tree.open_arrays(tmp_path / name)

    return save


@pytest.mark.parametrize("box_bytes", [100, 64 << 20])
def test_measure(store, monkeypatch, box_bytes):
    """In pieces or at once: NumPy's figures, also where the mean is far from zero."""
    monkeypatch.setattr(array_reader, "_BOX_BYTES", box_bytes)
    rng = np.random.default_rng(0)
    far = (1000 + rng.standard_normal((30, 40))).astype(np.float32)
    rough = rng.standard_normal(64).astype(ml_dtypes.bfloat16)
    holes = np.asarray([1, np.nan, np.inf, -np.inf, 3, np.nan], np.float32)
    tree = {"far": far, "rough": rough, "holes": holes, "none": np.full(3, np.nan, np.float32), "int": np.arange(5)}
    found = array_values.measure(store("a", tree))
    for name in ("far", "rough", "int"):
        x = tree[name].astype(np.float64)
        got = found[name]
        assert (got.min, got.max, got.nan, got.inf) == (x.min(), x.max(), 0, 0)
        np.testing.assert_allclose([got.mean, got.std], [x.mean(), x.std()], rtol=1e-12)
    assert found["holes"] == array_values.Values(min=1, max=3, mean=2, std=1, nan=2, inf=2)
    assert found["none"] == array_values.Values(nan=3)


@pytest.mark.parametrize("box_bytes", [64, 64 << 20])
def test_compare(store, monkeypatch, box_bytes):
    monkeypatch.setattr(array_reader, "_BOX_BYTES", box_bytes)
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    moved = base.copy()
    moved[0, 0], moved[3, 5] = 3, 19
    holes = np.asarray([np.nan, np.inf, 1], np.float32)
    a = {"same": base, "moved": base, "holes": holes, "nan": base[0], "shape": base, "only": base, "type": base}
    b = {"same": base, "moved": moved, "holes": holes, "nan": np.full(6, np.nan, np.float32), "shape": base[0]}
    b["type"] = base.astype(ml_dtypes.bfloat16)
    found = array_values.compare(store("a", a), store("b", b))
    assert found.keys() == {"same", "moved", "holes", "nan", "type"}
    assert found["same"] == found["holes"] == found["type"] == array_values.Difference()
    assert found["moved"] == array_values.Difference(equal=False, unequal=2, max_abs=4, rms=math.sqrt(25 / 24))
    assert found["nan"] == array_values.Difference(equal=False, unequal=6, max_abs=math.inf, rms=math.inf)
    assert array_values.as_json(found["nan"])["max_abs"] == "inf"
