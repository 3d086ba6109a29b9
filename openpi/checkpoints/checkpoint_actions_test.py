"""A checkpoint of the reference implementation, restored, acts as it did there."""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.checkpoints import restore
from openpi.models import gemma, observation, pi0, siglip

TESTDATA = pathlib.Path(__file__).parent / "testdata"
INFO = json.loads((TESTDATA / "checkpoint_info.json").read_text())


def model(dtype):
    dims = INFO["dims"]
    tower = dims["siglip"] | {"patch_size": tuple(dims["siglip"]["patch_size"])}
    return pi0.Pi0Config(
        siglip=siglip.SiglipConfig(**tower),
        language=gemma.GemmaConfig(**dims["gemma"]),
        expert=gemma.GemmaConfig(**dims["expert"]),
        vocab_size=dims["vocab"],
        **INFO["model_config"],
        dtype=dtype,
        remat="none",
    )


@pytest.fixture(scope="module")
def golden():
    with np.load(TESTDATA / "checkpoint_actions.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def act(golden, dtype, name="checkpoint_tiny_pi0"):
    """The actions after 10 steps from the recorded noise, by a model that reads and computes in `dtype`."""
    config = model(dtype)
    expected = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    params = restore.restore_params(TESTDATA / name, expected=expected, dtype=dtype, sharding=device)
    cameras = {
        kind: {key: golden[f"{kind}/{key}"] for key in config.image_keys} for kind in ("image_uint8", "image_mask")
    }
    seen = observation.Observation.from_dict(
        {
            "image": cameras["image_uint8"],
            "image_mask": cameras["image_mask"],
            **{key: golden[key] for key in ("state", "tokenized_prompt", "tokenized_prompt_mask")},
        }
    )
    sample = jax.jit(functools.partial(pi0.sample_actions, config))
    return np.asarray(sample(params, jax.random.key(0), seen, noise=golden["noise"]))


def test_float32(golden):
    got = act(golden, "float32")
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, golden["sample_actions_float32"], rtol=1e-4, atol=5e-5)


def test_bfloat16(golden):
    want = golden["sample_actions_bfloat16"]
    error = act(golden, "bfloat16") - want
    assert np.sqrt(np.mean(error**2) / np.mean(want**2)) < 0.02


def test_the_averages_are_other_parameters(golden):
    averages = act(golden, "float32", "checkpoint_tiny_pi0_ema")
    assert np.isfinite(averages).all()
    assert np.abs(averages - golden["sample_actions_float32"]).max() > 1e-2
