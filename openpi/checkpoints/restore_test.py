import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import traverse_util
from jax.sharding import NamedSharding, PartitionSpec

from openpi.checkpoints import model_kind, restore

jax.config.update("jax_num_cpu_devices", 4)

TESTDATA = pathlib.Path(__file__).parent / "testdata"
GOLDEN = TESTDATA / "checkpoint_tiny_pi0"


def expected(scale=1.0):
    with np.load(TESTDATA / "checkpoint_expected.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] * np.float32(scale) for name in arrays.files}


def shapes(flat):
    """The tree of a model that has these arrays."""
    return traverse_util.unflatten_dict(
        {path: jax.ShapeDtypeStruct(array.shape, array.dtype) for path, array in flat.items()}, sep="/"
    )


def mesh(axes=("x",)):
    return jax.make_mesh((4,) if len(axes) == 1 else (2, 2), axes, devices=jax.devices()[:4])


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
    params = restore.restore_params(GOLDEN, dtype=jnp.bfloat16, sharding=sharding)
    for path, array in traverse_util.flatten_dict(params, sep="/").items():
        assert isinstance(array, jax.Array)
        assert array.sharding == sharding
        assert array.dtype == jnp.bfloat16
        np.testing.assert_array_equal(array, expected()[path].astype(jnp.bfloat16))
    host = restore.restore_params(GOLDEN, dtype=jnp.bfloat16)
    jax.tree.map(np.testing.assert_array_equal, params, host)


def test_expected_leaves_bring_their_dtype_and_sharding():
    split = NamedSharding(mesh(), PartitionSpec(None, "x"))
    want = expected()
    leaves = {
        "state_proj/kernel": jax.ShapeDtypeStruct((4, 8), jnp.bfloat16, sharding=split),
        "state_proj/bias": jax.ShapeDtypeStruct((8,), jnp.float32),
    }
    everywhere = NamedSharding(mesh(), PartitionSpec())
    params = restore.restore_params(
        GOLDEN,
        expected=traverse_util.unflatten_dict(leaves, sep="/"),
        missing="",
        dtype=restore.EXPECTED_DTYPES,
        sharding=everywhere,
    )
    kernel, bias = params["state_proj"]["kernel"], params["state_proj"]["bias"]
    assert (kernel.sharding, bias.sharding) == (split, everywhere)
    np.testing.assert_array_equal(kernel, want["state_proj/kernel"].astype(jnp.bfloat16))
    np.testing.assert_array_equal(bias, want["state_proj/bias"])
    with pytest.raises(ValueError, match="expected is None"):
        restore.restore_params(GOLDEN, dtype=restore.EXPECTED_DTYPES)


@pytest.mark.parametrize("suffix", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"use_ocdbt": False}, {"use_zarr3": True}, {"use_ocdbt": False, "use_zarr3": True}]
)
def test_other_layouts_and_shardings(tmp_path, suffix, options):
    """Saved from four devices, so that arrays are in pieces; as OCDBT or a folder an array, zarr 2 or 3."""
    pieces = NamedSharding(mesh(("x", "y")), PartitionSpec("x", "y"))
    tree = {
        "a": {"kernel": jnp.arange(64.0).reshape(8, 8), "bias": jnp.ones(3, jnp.bfloat16)},
        "count": jnp.asarray(3),
        "cut": jax.device_put(jnp.arange(48.0).reshape(6, 8), pieces),
    }
    stored = restore.append_value(tree) if suffix else tree
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)).save(tmp_path / "7" / "params", {"params": stored})
    assert (tmp_path / "7" / "params" / "manifest.ocdbt").exists() == options.get("use_ocdbt", True)
    params = restore.restore_params(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, params, tree)
    assert jax.tree.map(lambda leaf: leaf.dtype, params) == jax.tree.map(lambda leaf: leaf.dtype, tree)
    cast = restore.restore_params(tmp_path, dtype=np.float16)
    assert (cast["a"]["bias"].dtype, cast["count"].dtype) == (np.float16, np.int32)  # only floats are cast


def test_only_expected_arrays_are_read(tmp_path):
    """The others' numbers may even be lost."""
    tree = {"a": {"kernel": np.ones((4, 4), np.float32)}, "b": np.ones(3, np.float32)}
    handler = ocp.PyTreeCheckpointHandler(use_ocdbt=False)
    ocp.Checkpointer(handler).save(tmp_path / "params", {"params": tree})
    (tmp_path / "params" / "params.a.kernel" / "0.0").unlink()
    params = restore.restore_params(tmp_path, expected={"b": jax.ShapeDtypeStruct((3,), np.float32)})
    assert list(params) == ["b"]
    with pytest.raises(ValueError, match="a.kernel"):
        restore.restore_params(tmp_path)
    # Shapes are compared before a number is read.
    wrong = {"a": {"kernel": jax.ShapeDtypeStruct((4, 5), np.float32)}, "b": jax.ShapeDtypeStruct((3,), np.float32)}
    with pytest.raises(ValueError, match=r"a/kernel has \(4, 4\) but the model has \(4, 5\)"):
        restore.restore_params(tmp_path, expected=wrong)


def test_missing_leaves():
    want = expected()
    lora = {"PaliGemma/llm/layers/attn/q_einsum/lora_a": np.ones((2, 3, 4, 5), np.float32)}
    with pytest.raises(ValueError, match=r"no adapters \(LoRA\) on the language model.*missing: PaliGemma/llm"):
        restore.restore_params(GOLDEN, expected=shapes(want | lora))
    params = restore.restore_params(GOLDEN, expected=shapes(want | lora), missing=".*lora.*")
    assert traverse_util.flatten_dict(params, sep="/").keys() == want.keys()
    with pytest.raises(ValueError, match="missing: other"):
        restore.restore_params(GOLDEN, expected=shapes(want | lora | {"other": np.ones(1)}), missing=".*lora.*")


def test_checkpoint_of_another_model():
    """Even where every array of the model is there: pi0-FAST's are a part of pi0's."""
    want = expected()
    fast = {path: leaf for path, leaf in want.items() if path.startswith("PaliGemma/") and "_1/" not in path}
    assert model_kind.recognise(fast).name == "pi0-FAST"
    with pytest.raises(ValueError, match="this is a pi0 checkpoint .* but config.model.type is 'pi0_fast'") as error:
        restore.restore_params(GOLDEN, expected=shapes(fast))
    assert str(GOLDEN) in str(error.value)
    assert restore.restore_params(GOLDEN, expected=shapes(fast), missing="").keys() == {"PaliGemma"}
    pi05 = {path: leaf for path, leaf in want.items() if not path.startswith(("state_proj", "action_time"))}
    with pytest.raises(ValueError, match="this is a pi0 checkpoint .*'pi05'.* missing: time_mlp_in/bias") as error:
        restore.restore_params(GOLDEN, expected=shapes(pi05 | {"time_mlp_in/bias": np.ones(8)}))
    assert "\n" not in str(error.value)


def test_value_suffix():
    tree = {"a": {"value": {"kernel": 1}}, "value": 2}
    assert restore.append_value(tree) == {"a": {"value": {"kernel": {"value": 1}}}, "value": {"value": 2}}
    assert restore.strip_value(restore.append_value(tree)) == tree
    assert restore.strip_value(tree) is tree  # not every leaf ends with it


def test_parameters_are_told_without_reading():
    found = restore.parameters(GOLDEN / "params")
    assert {path: (array.shape, array.dtype) for path, array in found.items()} == {
        path: (array.shape, array.dtype) for path, array in expected().items()
    }


def test_train_state_metadata(tmp_path):
    ocp.Checkpointer(ocp.PyTreeCheckpointHandler()).save(tmp_path / "state", {"step": jnp.asarray(3), "opt": (None,)})
    assert restore.metadata(tmp_path / "state")["step"].shape == ()
    (tmp_path / "state" / "_METADATA").write_text(json.dumps({"tree_metadata": 3}))
    with pytest.raises(ValueError, match="damaged checkpoint"):
        restore.metadata(tmp_path / "state")


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        restore.restore_params(tmp_path / "nothing")
