import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.checkpoints import merge, restore

TESTDATA = pathlib.Path(__file__).parent / "testdata"
RESULTS = json.loads((TESTDATA / "weight_loading" / "results.json").read_text())
LORA = ".*lora.*"


@pytest.fixture(scope="module")
def checkpoint():
    return restore.restore_params(TESTDATA / "checkpoint_tiny_pi0")


def reference_for(case, flat):
    """The model tree of a golden case: the checkpoint's shapes where it has the path, any shape elsewhere."""
    paths = [path for name in ("from_checkpoint", "left_for_initialisation") for path in RESULTS[case][name]]
    paths += RESULTS[case]["in_model_but_missing_from_result"]
    specs = {path: jax.ShapeDtypeStruct(flat[path].shape if path in flat else (3,), jnp.float32) for path in paths}
    return traverse_util.unflatten_dict(specs, sep="/")


@pytest.mark.parametrize("case", ["lora_both", "same_model", "pi05_model"])
def test_golden(case, checkpoint):
    golden = RESULTS[case]
    flat = traverse_util.flatten_dict(checkpoint, sep="/")
    reference = reference_for(case, flat)
    merged = merge.merge(checkpoint, reference, missing=LORA)
    result = traverse_util.flatten_dict(merged, sep="/")
    fresh = {path for path, leaf in result.items() if isinstance(leaf, jax.ShapeDtypeStruct)}
    assert fresh == set(golden["left_for_initialisation"])
    assert result.keys() - fresh == set(golden["from_checkpoint"])
    assert traverse_util.flatten_dict(merge.loaded_only(merged), sep="/").keys() == set(golden["from_checkpoint"])
    assert flat.keys() - result.keys() == set(golden["in_checkpoint_but_dropped"])
    if golden["validation"] == "accepted":
        merge.check(merged, reference, what="weights")
    else:
        with pytest.raises(ValueError, match="missing: ") as error:
            merge.check(merged, reference, what="weights")
        assert golden["in_model_but_missing_from_result"][0] in str(error.value)


def test_casts_to_reference_dtype():
    loaded = {"a": np.ones(2, np.float32), "b": np.ones(2, jnp.bfloat16)}
    reference = {"a": jax.ShapeDtypeStruct((2,), jnp.bfloat16), "b": jax.ShapeDtypeStruct((2,), jnp.float32)}
    merged = merge.merge(loaded, reference, missing="")
    assert (merged["a"].dtype, merged["b"].dtype) == (jnp.bfloat16, np.float32)


def test_error_lists_both_shapes_in_one_line():
    reference = {"a": {"kernel": np.ones((2, 3))}, "b": np.ones(4), **{f"c{i}": np.ones(1) for i in range(20)}}
    tree = {"a": {"kernel": np.ones((3, 3))}, "b": np.ones(4), "extra": np.ones(1)}
    with pytest.raises(ValueError, match="another shape") as error:
        merge.check(tree, reference, what="weights from /x")
    text = str(error.value)
    assert "a/kernel has (3, 3) but the model has (2, 3)" in text
    assert "(20 in all)" in text
    assert "extra" in text
    assert "b has" not in text
    assert "\n" not in text


def test_error_says_which_model_it_is(checkpoint):
    """A reason that is known already counts even if every path fits."""
    pi05 = {name: leaf for name, leaf in checkpoint.items() if not name.startswith(("state_proj", "action_time"))}
    pi05["time_mlp_in"] = {"bias": np.ones(8)}
    with pytest.raises(
        ValueError, match="this is a pi0 checkpoint .* config.model.type is 'pi05'.*; missing: time_mlp_in"
    ):
        merge.check(checkpoint, pi05, what="weights")
    with pytest.raises(ValueError, match="model describes: of another kind; change config.model"):
        merge.check(checkpoint, checkpoint, what="weights", reason="of another kind")
