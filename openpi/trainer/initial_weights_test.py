import jax
import ml_dtypes
import numpy as np
import pytest
from ml_collections import config_dict

from openpi.checkpoints import manager
from openpi.checkpoints.pytorch import tiny, write
from openpi.trainer import initial_weights

PARAMS = {"llm": {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}, "extra": {"kernel": np.ones(2, np.float32)}}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    run, _ = manager.open_run(directory, overwrite=False, resume=False, keep_period=None)
    manager.save(run, 3, params=PARAMS, train_state={"step": np.asarray(4)}, config="{}")
    run.close()
    return directory


def load(path, expected, kind="checkpoint"):
    expected = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, np.float32), expected, is_leaf=lambda x: isinstance(x, tuple)
    )
    return initial_weights.load(config_dict.ConfigDict({"kind": kind, "path": str(path)}), expected)


def test_none():
    assert load("", {"llm": {"w": (2, 3)}}, kind="none") == {}


@pytest.mark.parametrize("below", ["", "3", "3/params"])
def test_takes_what_the_model_has_and_leaves_adapters_fresh(run_dir, below):
    loaded = load(run_dir / below, {"llm": {"w": (2, 3), "w_lora_a": (2, 1)}})
    assert jax.tree.structure(loaded) == jax.tree.structure({"llm": {"w": 0}})
    np.testing.assert_array_equal(loaded["llm"]["w"], PARAMS["llm"]["w"])


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"llm": {"w": (3, 3)}}, ["llm/w has (2, 3) but the model has (3, 3)"]),
        ({"llm": {"w": (2, 3), "b": (3,)}}, ["missing: llm/b"]),
    ],
)
def test_weights_of_another_model(run_dir, expected, words):
    with pytest.raises(ValueError, match="do not fit the model") as error:
        load(run_dir, expected)
    for word in [*words, str(run_dir)]:
        assert word in str(error.value)


def test_pytorch(tmp_path):
    """All of the model but its adapters, in its dtypes."""
    write.write_params(tmp_path / "model.safetensors", tiny.params("pi05"), layout="lerobot")
    config = config_dict.ConfigDict({"kind": "pytorch", "path": str(tmp_path)})
    expected = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, ml_dtypes.bfloat16), tiny.shapes("pi05"))
    loaded = initial_weights.load(config, expected | {"x_lora_a": jax.ShapeDtypeStruct((2,), np.float32)})
    assert jax.tree.structure(loaded) == jax.tree.structure(expected)
    for array, saved in zip(jax.tree.leaves(loaded), jax.tree.leaves(tiny.params("pi05", ml_dtypes.bfloat16))):
        np.testing.assert_array_equal(array, saved, strict=True)
    with pytest.raises(ValueError, match="are pi0.5, but the model is pi0; change config.model.type"):
        initial_weights.load(config, tiny.shapes("pi0"))


def test_paligemma(tmp_path):
    """What it lacks is left to initialisation, whatever it is."""
    embedding = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.savez(tmp_path / "pt_224.npz", **{"params/llm/embedder/input_embedding": embedding})
    expected = {"PaliGemma": {"llm": {"embedder": {"input_embedding": (4, 2)}, "final_norm": (2,)}}, "head": (3,)}
    loaded = load(tmp_path / "pt_224.npz", expected, kind="paligemma")
    assert jax.tree.structure(loaded) == jax.tree.structure(
        {"PaliGemma": {"llm": {"embedder": {"input_embedding": 0}}}}
    )
    np.testing.assert_array_equal(loaded["PaliGemma"]["llm"]["embedder"]["input_embedding"], embedding)


def test_a_checkpoint_of_another_kind_of_model_is_recognised(tmp_path):
    heads = {"action_in_proj": {"bias": (3,)}}
    kinds = {"pi0": heads | {"state_proj": {"bias": (2,)}}, "pi05": heads | {"time_mlp_in": {"bias": (2,)}}}
    stored = jax.tree.map(
        lambda shape: np.zeros(shape, np.float32), kinds["pi05"], is_leaf=lambda x: isinstance(x, tuple)
    )
    run, _ = manager.open_run(tmp_path / "run", overwrite=False, resume=False, keep_period=None)
    manager.save(run, 1, params=stored, train_state={"step": np.asarray(1)}, config="{}")
    run.close()
    with pytest.raises(
        ValueError, match=r"this is a pi0\.5 checkpoint .* but config\.model\.type is 'pi0'.*state_proj/bias"
    ):
        load(tmp_path / "run", kinds["pi0"])


def test_weights_that_are_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENPI_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("OPENPI_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load(tmp_path / "nothing", {"w": (2,)})
    with pytest.raises(FileNotFoundError, match="gs://bucket/pi0/params is needed and this is offline"):
        load("gs://bucket/pi0/params", {"w": (2,)})
    with pytest.raises(FileNotFoundError, match="gs://vertex-model-garden-paligemma-us/paligemma/pt_224.npz is needed"):
        load("", {"w": (2,)}, kind="paligemma")
