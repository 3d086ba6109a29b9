import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import gemma, golden, lora

INDEX = json.loads((golden.TESTDATA / "modules" / "index.json").read_text())
CASES = ["gemma_two_experts", "gemma_two_experts_adarms", "gemma_two_experts_mha_lora"]
PREFIX = 7  # tokens of the first expert in all cases
TOLERANCE = {"rtol": 1e-4, "atol": 5e-5}


def expert(facts):
    sizes = {key: value for key, value in facts.items() if key != "lora"}
    adapters = facts["lora"] or {"attn": None, "ffn": None}
    attn, ffn = (adapters[part] and lora.LoraConfig(**adapters[part]) for part in ("attn", "ffn"))
    return gemma.GemmaConfig(**sizes, lora=attn, ffn_lora=ffn)


def build(case, **kwargs):
    facts = INDEX[case]
    return gemma.Gemma((expert(facts["expert0"]), expert(facts["expert1"])), facts["vocab"], **kwargs)


def run(module, arrays):
    """Outputs of a joint pass, a prefix pass and a suffix pass on the prefix's cache, under the golden names."""
    params, given = {"params": golden.subtree(arrays, "params")}, golden.subtree(arrays, "in")
    conds, positions, mask = [None, given.get("cond1")], given["positions"], given["mask"]
    (out0, out1), (k, v) = module.apply(params, [given["x0"], given["x1"]], positions, mask, conds)
    outputs = {"full/out0": out0, "full/out1": out1, "full/cache_k": k, "full/cache_v": v}
    (out0, absent), cache = module.apply(
        params, [given["x0"], None], positions[:, :PREFIX], mask[:, :PREFIX, :PREFIX], conds
    )
    assert absent is None
    outputs |= {"prefill/out0": out0, "prefill/cache_k": cache[0], "prefill/cache_v": cache[1]}
    (absent, out1), own = module.apply(
        params, [None, given["x1"]], positions[:, PREFIX:], mask[:, PREFIX:], conds, cache
    )
    assert absent is None
    joined = [jnp.concatenate(pair, axis=2) for pair in zip(cache, own)]
    outputs |= {"suffix/out1": out1, "suffix/cache_k": joined[0], "suffix/cache_v": joined[1]}
    return outputs | {"embed/out": module.apply(params, given["tokens"], method="embed")}


@pytest.mark.parametrize(("case", "remat"), [*((case, "full") for case in CASES), (CASES[1], "none")])
def test_golden_float32(case, remat):
    arrays = golden.load(f"modules/{case}")
    outputs = jax.jit(lambda: run(build(case, remat=remat), arrays))()
    for name, got in outputs.items():
        np.testing.assert_allclose(got, arrays[name], **TOLERANCE, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_golden_bfloat16(case):
    arrays = golden.load(f"modules/{case}")
    for name, got in jax.jit(lambda: run(build(case, dtype=jnp.bfloat16), arrays))().items():
        assert got.dtype == jnp.bfloat16, name
        expected = arrays[f"{name}_bf16"]
        error = np.asarray(got, np.float32) - expected
        assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 0.02, name


@pytest.mark.parametrize("case", CASES)
def test_init_makes_the_published_tree(case):
    params = golden.subtree(golden.load(f"modules/{case}"), "params")
    module = build(case)
    conds = [None, jnp.zeros((1, module.configs[1].width)) if any(INDEX[case]["use_adarms"]) else None]
    embedded = [jnp.zeros((1, 1, config.width)) for config in module.configs]
    inputs = (jnp.zeros((1, 1), int), embedded, jnp.zeros((1, 2), int), jnp.ones((1, 2, 2), bool), conds)
    got = jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs, method="init_all"))["params"]
    assert jax.tree.map(lambda leaf: leaf.shape, got) == jax.tree.map(lambda leaf: leaf.shape, params)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_rmsnorm_golden(bfloat16):
    arrays = golden.load("modules/rmsnorm")
    x = jnp.asarray(arrays["x"], jnp.bfloat16 if bfloat16 else jnp.float32)
    plain, no_gate = gemma.RMSNorm().apply({"params": {"scale": arrays["regular/scale"]}}, x)
    adaptive, gate = gemma.RMSNorm().apply(
        {"params": {"Dense_0": golden.subtree(arrays, "ada/Dense_0")}}, x, arrays["cond"]
    )
    assert no_gate is None
    suffix, tolerance = ("_bf16", {"rtol": 2e-2, "atol": 2e-2}) if bfloat16 else ("", {"rtol": 1e-5, "atol": 1e-5})
    for name, got in (("regular/out", plain), ("ada/out", adaptive), ("ada/gate", gate)):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(np.asarray(got, np.float32), arrays[name + suffix], **tolerance, err_msg=name)


def test_table_in_bfloat16_rounds_the_embedding_multiplier():
    table = np.ones((3, 2048), jnp.bfloat16)
    module = gemma.Embedder(3, 2048)
    got = module.apply({"params": {"input_embedding": table}}, np.array([[1]]))
    assert got.dtype == jnp.bfloat16
    assert float(got[0, 0, 0]) == 45.25  # sqrt(2048) = 45.2548


def test_queries_that_share_a_cache_under_vmap():
    rng = np.random.default_rng(0)
    draws, batch, length, cached = 3, 2, 4, 5
    q = rng.normal(size=(draws, batch, length, 4, 8)).astype(np.float32)
    k, v = rng.normal(size=(2, draws, batch, length, 2, 8)).astype(np.float32)
    cache = tuple(rng.normal(size=(2, batch, cached, 2, 8)).astype(np.float32))
    mask = rng.random((batch, length, cached + length)) < 0.7
    mask[0, 0] = False  # a row that may see nothing: finite all the same
    shared = jax.vmap(lambda q, k, v: gemma.attend(q, [cache, (k, v)], mask))(q, k, v)
    for draw in range(draws):
        joined = [np.concatenate([c, own[draw]], axis=1) for c, own in zip(cache, (k, v))]
        np.testing.assert_allclose(shared[draw], gemma.attend(q[draw], [joined], mask), rtol=1e-5, atol=1e-5)
    assert np.isfinite(shared).all()


def test_bad_sizes_raise():
    config = expert(INDEX[CASES[0]]["expert0"])
    with pytest.raises(ValueError, match=r"agree on num_heads, got \[4, 2\]"):
        gemma.check_mixture((config, dataclasses.replace(config, num_heads=2)))
    with pytest.raises(ValueError, match="num_heads=4 is not a multiple of num_kv_heads=3"):
        dataclasses.replace(config, num_kv_heads=3)
    with pytest.raises(ValueError, match="head_dim=7 must be even"):
        dataclasses.replace(config, head_dim=7)
    with pytest.raises(ValueError, match=r"mask has shape \(1, 2, 3\), expected \(1, 2, 2\)"):
        gemma.attend(np.zeros((1, 2, 2, 4)), [(np.zeros((1, 2, 1, 4)),) * 2], np.ones((1, 2, 3), bool))
