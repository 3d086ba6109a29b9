import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import golden, posemb, siglip

INDEX = json.loads((golden.TESTDATA / "modules" / "index.json").read_text())
TOLERANCE = {"rtol": 1e-4, "atol": 5e-5}


def build(case, **kwargs):
    sizes = dict(INDEX[case]["dims"])
    num_classes, patch_size = sizes.pop("num_classes"), tuple(sizes.pop("patch_size"))
    return siglip.Siglip(siglip.SiglipConfig(**sizes, patch_size=patch_size), num_classes, **kwargs)


def load(case):
    arrays = golden.load(f"modules/{case}")
    images = arrays["image_uint8"].astype(np.float32) / 255 * 2 - 1
    return arrays, {"params": golden.subtree(arrays, "params")}, images


@pytest.mark.parametrize(("case", "remat"), [("siglip_tiny", True), ("siglip_tiny", False), ("siglip_tiny_224", True)])
def test_golden_float32(case, remat):
    arrays, params, images = load(case)
    module = build(case, remat=remat)
    np.testing.assert_allclose(jax.jit(module.apply)(params, images), arrays["out/tokens"], **TOLERANCE)
    shapes = jax.eval_shape(module.init, jax.random.key(0), images)["params"]
    expected = jax.tree.map(lambda leaf: leaf.shape, params["params"])
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == expected


def test_golden_bfloat16():
    arrays, params, images = load("siglip_tiny")
    got = jax.jit(build("siglip_tiny", dtype=jnp.bfloat16).apply)(params, images)
    assert got.dtype == jnp.bfloat16
    error = np.asarray(got, np.float32) - arrays["out/tokens_bf16"]
    assert np.sqrt(np.mean(error**2) / np.mean(arrays["out/tokens_bf16"] ** 2)) < 0.02


def test_golden_intermediates():
    arrays, params, images = load("siglip_tiny")
    params, module = params["params"], build("siglip_tiny")
    stem = siglip.PatchEmbedding(32, (14, 14)).apply({"params": params["embedding"]}, images)
    np.testing.assert_allclose(stem, arrays["out/stem"], **TOLERANCE)
    x = stem.reshape(2, 16, 32) + params["pos_embedding"]
    np.testing.assert_allclose(x, arrays["out/with_posemb"], **TOLERANCE)
    block = siglip.EncoderBlock(module.config.mlp_dim, module.config.num_heads, jnp.float32)
    for layer in range(module.config.depth):
        weights = jax.tree.map(lambda leaf, i=layer: leaf[i], params["Transformer"]["encoderblock"])
        x, _ = block.apply({"params": weights}, x)
        np.testing.assert_allclose(x, arrays[f"out/encoder/block{layer:02d}/+mlp"], **TOLERANCE)
    x = nn.LayerNorm().apply({"params": params["Transformer"]["encoder_norm"]}, x)
    np.testing.assert_allclose(x, arrays["out/encoded"], **TOLERANCE)


@pytest.mark.parametrize(("posemb_init", "head_init"), [("normal", "zeros"), ("sincos2d", "lecun")])
def test_initialisers(posemb_init, head_init):
    config = siglip.SiglipConfig(16, 1, 32, 2, (8, 8), posemb_init, head_init)
    params = jax.jit(siglip.Siglip(config, 8).init)(jax.random.key(0), jnp.zeros((1, 16, 24, 3)))["params"]
    assert (np.std(params["head"]["kernel"]) > 0) == (head_init == "lecun")
    assert params["pos_embedding"].shape == (1, 6, 16)
    is_grid = np.array_equal(params["pos_embedding"], posemb.posemb_sincos_2d(2, 3, 16))
    assert is_grid == (posemb_init == "sincos2d")


def test_bad_sizes_raise():
    with pytest.raises(ValueError, match="posemb_init must be one of .* got 'sincos'"):
        siglip.SiglipConfig(16, 1, 32, 2, posemb_init="sincos")
    with pytest.raises(ValueError, match="width=16 is not a multiple of num_heads=3"):
        siglip.SiglipConfig(16, 1, 32, 3)
    module = siglip.Siglip(siglip.SiglipConfig(16, 1, 32, 2), 8)
    with pytest.raises(ValueError, match="image of 30x28 cannot be cut into patches of 14x14"):
        jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 30, 28, 3)))
