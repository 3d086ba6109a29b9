import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import golden, posemb, siglip

INDEX = json.loads((golden.TESTDATA / "modules" / "index.json").read_text())
TOLERANCE = {"rtol": 1e-4, "atol": 5e-5}
THINNED = 13  # of siglip_tiny_224, the golden file keeps every so many patches


def build(case, **kwargs):
    sizes = dict(INDEX[case]["dims"])
    num_classes, patch_size = sizes.pop("num_classes"), tuple(sizes.pop("patch_size"))
    return siglip.Siglip(siglip.SiglipConfig(**sizes, patch_size=patch_size), num_classes, **kwargs)


def load(case):
    arrays = golden.load(f"modules/{case}")
    images = arrays["image_uint8"].astype(np.float32) / 255 * 2 - 1
    return arrays, {"params": golden.subtree(arrays, "params")}, images


@functools.partial(jax.jit, static_argnums=0)
def run(module, params, images):
    """Tokens, and what the patch embedding and the stack of layers made."""
    parts = ("embedding", "Transformer")
    tokens, captured = module.apply(params, images, capture_intermediates=lambda part, _: part.name in parts)
    stem, encoded = (captured["intermediates"][part]["__call__"][0] for part in parts)
    return tokens, stem.reshape(len(images), -1, stem.shape[-1]), encoded


def assert_golden(arrays, outputs):
    for name, got in outputs.items():
        want = arrays[f"out/{name}"].reshape(len(got), -1, got.shape[-1])
        if want.shape[1] < got.shape[1]:
            got = got[:, ::THINNED]
        np.testing.assert_allclose(got, want, **TOLERANCE, err_msg=name)


@pytest.mark.parametrize(
    ("case", "remat"), [("siglip_tiny", "full"), ("siglip_tiny", "none"), ("siglip_tiny_224", "dots")]
)
def test_golden_float32(case, remat):
    arrays, params, images = load(case)
    module = build(case, remat=remat)
    tokens, stem, encoded = run(module, params, images)
    x = stem + params["params"]["pos_embedding"]
    assert_golden(arrays, {"tokens": tokens, "stem": stem, "with_posemb": x, "encoded": encoded})
    shapes = jax.eval_shape(module.init, jax.random.key(0), images)["params"]
    expected = jax.tree.map(lambda leaf: leaf.shape, params["params"])
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == expected


@pytest.mark.parametrize("case", ["siglip_tiny", "siglip_tiny_224"])
def test_golden_bfloat16(case):
    arrays, params, images = load(case)
    tokens, _, encoded = run(build(case, dtype=jnp.bfloat16), params, images)
    for name, got in (("tokens_bf16", tokens), ("pre_logits_bf16", encoded)):
        assert got.dtype == jnp.bfloat16
        want = arrays[f"out/{name}"]
        got = np.asarray(got if want.shape == got.shape else got[:, ::THINNED], np.float32)
        assert np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2)) < 0.02


@pytest.mark.parametrize("case", ["siglip_tiny", "siglip_tiny_224"])
def test_golden_layers(case):
    arrays, params, images = load(case)
    module, params = build(case), params["params"]
    block = siglip.EncoderBlock(module.config.mlp_dim, module.config.num_heads, jnp.float32)
    _, stem, _ = run(module, {"params": params}, images)
    x = stem + params["pos_embedding"]
    step = jax.jit(lambda weights, x: block.apply({"params": weights}, x, capture_intermediates=True))
    for layer in range(module.config.depth):
        weights = jax.tree.map(lambda leaf, i=layer: leaf[i], params["Transformer"]["encoderblock"])
        (out, _), captured = step(weights, x)
        inner = captured["intermediates"]
        attended = inner["MultiHeadDotProductAttention_0"]["__call__"][0]
        parts = {"sa": attended, "+sa": x + attended, "mlp": inner["MlpBlock_0"]["__call__"][0], "+mlp": out}
        assert_golden(arrays, {f"encoder/block{layer:02d}/{name}": part for name, part in parts.items()})
        x = out


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
