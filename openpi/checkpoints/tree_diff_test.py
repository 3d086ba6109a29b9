import numpy as np
import orbax.checkpoint as ocp
import pytest

from openpi.checkpoints import array_values, stored_tree, tree_diff

BASE = {"a": np.arange(6.0, dtype=np.float32), "b": np.ones((2, 3), np.float32)}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (BASE, "no difference: 2 arrays in both, 0 only in A, 0 only in B, 0 of another shape, 0 of another dtype, 0 with other values"),
        ({"a": BASE["a"]}, "only in A: b"),
        (BASE | {"c": np.ones(1, np.float32)}, "only in B: c"),
        (BASE | {"b": np.ones((3, 2), np.float32)}, "other shape: b: [2, 3] in A, [3, 2] in B"),
        (BASE | {"b": np.ones((2, 3), np.float16)}, "other dtype: b: float32 in A, float16 in B"),
        (BASE | {"a": BASE["a"] + 2}, "a 6 2 2"),
        (BASE | {"a": BASE["a"] * np.nan}, "a 6 inf inf"),
    ],
)  # fmt: skip
def test_differences(tmp_path, other, told):
    trees = []
    for name, tree in (("a", BASE), ("b", other)):
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler()).save(tmp_path / name, tree)
        trees.append(stored_tree.open_arrays(tmp_path / name))
    found = tree_diff.with_values(tree_diff.structure(*trees), array_values.compare(*trees))
    assert told in [" ".join(line.split()) for line in tree_diff.render(found).splitlines()]
    assert tree_diff.same(found) == (other is BASE)


def test_without_values(tmp_path):
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler()).save(tmp_path / "a", BASE)
    tree = stored_tree.open_arrays(tmp_path / "a")
    found = tree_diff.structure(tree, tree)
    assert tree_diff.same(found)
    assert "values not compared" in tree_diff.render(found)
