import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.models import gemma, gemma_fast, golden, lora, rope

INDEX = json.loads((golden.TESTDATA / "modules" / "index.json").read_text())
CASES = ["gemma_fast", "gemma_fast_lora"]
LENGTH, FREE = 6, 3  # tokens, and cache slots behind them, in all cases
TOLERANCE = {"rtol": 1e-4, "atol": 5e-5}


def build(case, dtype=jnp.float32, remat="none"):
    facts = INDEX[case]
    sizes = {key: value for key, value in facts.items() if key not in ("vocab", "lora")}
    adapters = facts["lora"] or {"attn": None, "ffn": None}
    attn, ffn = (adapters[part] and lora.LoraConfig(**adapters[part]) for part in ("attn", "ffn"))
    return gemma_fast.build(gemma.GemmaConfig(**sizes, lora=attn, ffn_lora=ffn), facts["vocab"], dtype, remat)


def causal(embedded):
    """Positions and mask of plain text."""
    batch, length, _ = embedded.shape
    return jnp.tile(jnp.arange(length), (batch, 1)), jnp.tile(jnp.tri(length, dtype=bool), (batch, 1, 1))


def run(model, arrays):
    """Outputs of causal passes, a prefill and a step on its cache, under the golden names."""
    params, given = golden.subtree(arrays, "params"), golden.subtree(arrays, "in")
    embed = lambda tokens: model.apply({"params": params}, tokens, method="embed")

    x = embed(given["tokens"])
    plain = gemma_fast.encode(model, params, x, *causal(x))
    logits = gemma_fast.logits(params, plain)
    before_norm = model.apply(
        {"params": params}, method=lambda model: model.layers([x], None, *causal(x), [None])[0][0]
    )
    outputs = {"plain/pre_logits": plain, "return_prelogits/out": plain, "plain/encoded": before_norm}
    outputs |= {"embed_only/out": x, "plain/logits": logits, "decode_from_pre_logits/logits": logits}

    both = jnp.concatenate([given["embedded_prefix"].astype(x.dtype), x], axis=1)
    encoded = gemma_fast.encode(model, params, both, *causal(both))
    outputs["prefix_and_tokens/logits"] = gemma_fast.logits(params, encoded)

    out, cache = gemma_fast.prefill(
        model, params, x, given["decode_positions"], given["decode_mask"][..., :LENGTH], FREE
    )
    outputs |= named("prefill", params, out, cache)
    out, cache = gemma_fast.step(
        model, params, embed(given["next_token"]), given["step_positions"], given["step_mask"][:, 0], cache
    )
    return outputs | named("step", params, out, cache)


def named(kind, params, out, cache):
    logits = gemma_fast.logits(params, out)
    return {
        f"{kind}/{key}": value for key, value in {"logits": logits, "cache_k": cache.k, "cache_v": cache.v}.items()
    } | {f"{kind}/idx": jnp.full((cache.k.shape[0], cache.k.shape[1]), cache.index)}


@pytest.mark.parametrize(("case", "remat"), [(CASES[0], "full"), (CASES[1], "none")])
def test_golden_float32(case, remat):
    arrays = golden.load(f"modules/{case}")
    outputs = jax.jit(lambda: run(build(case, remat=remat), arrays))()
    unread = {name for name in arrays if name.split("/")[0] not in ("params", "in") and not name.endswith("_bf16")}
    assert outputs.keys() == unread
    for name, got in outputs.items():
        np.testing.assert_allclose(got, arrays[name], **TOLERANCE, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_golden_bfloat16(case):
    arrays = golden.load(f"modules/{case}")
    for name, got in jax.jit(lambda: run(build(case, jnp.bfloat16), arrays))().items():
        if name.endswith("/idx"):
            continue
        assert got.dtype == (jnp.float32 if name.endswith("/logits") else jnp.bfloat16), name
        expected = arrays[f"{name}_bf16"]
        error = np.asarray(got, np.float32) - expected
        assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 0.02, name


def test_logits_have_the_promoted_dtype():
    x, table = jnp.ones((1, 1, 4), jnp.bfloat16), jnp.ones((3, 4))
    for dtype, expected in ((jnp.float32, jnp.float32), (jnp.bfloat16, jnp.bfloat16)):
        params = {"embedder": {"input_embedding": table.astype(dtype)}}
        assert gemma_fast.logits(params, x).dtype == expected


def test_queries_stay_float32():
    """Attention is that of float32 queries with bfloat16 keys and values; with bfloat16 queries it differs."""
    config, rng = gemma.GemmaConfig(16, 1, 8, 2, 1, 8), np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(1, 5, 16)), jnp.bfloat16)
    weights = {"q_einsum": (2, 16, 8), "kv_einsum": (2, 1, 16, 8), "attn_vec_einsum": (2, 8, 16)}
    w = {name: jnp.asarray(rng.normal(size=shape), jnp.bfloat16) for name, shape in weights.items()}
    positions, mask = causal(x)
    params = {"params": {name: {"w": value} for name, value in w.items()}}
    q = rope.apply_rope(jnp.einsum("BTD,NDH->BTNH", x, w["q_einsum"]).astype(jnp.float32), positions) * 8**-0.5
    k, v = jnp.einsum("BSD,2KDH->2BSKH", x, w["kv_einsum"])
    attended = gemma.attend(q, [(rope.apply_rope(k, positions), v)], mask)
    expected = jnp.einsum("BTNH,NHD->BTD", attended, w["attn_vec_einsum"])
    fast, plain = (
        gemma.Attention((config,), float32_queries).apply(params, [x], positions, mask, None)[0][0]
        for float32_queries in (True, False)
    )
    assert fast.dtype == jnp.bfloat16
    np.testing.assert_array_equal(fast, expected)
    assert (plain != expected).any()


def test_steps_equal_one_pass():
    """A cache written step by step holds, and gives, what one pass over all tokens does; free slots are not read."""
    case = CASES[0]
    model, arrays = build(case), golden.load(f"modules/{case}")
    params, tokens = golden.subtree(arrays, "params"), arrays["in/tokens"]

    @jax.jit
    def run():
        x = model.apply({"params": params}, tokens, method="embed")
        positions, mask = causal(x)
        whole = gemma_fast.prefill(model, params, x, positions, mask, 1)
        out, cache = gemma_fast.prefill(model, params, x[:, :3], positions[:, :3], mask[:, :3, :3], LENGTH - 2)
        cache = cache.replace(k=cache.k.at[:, :, 3:].set(1e3), v=cache.v.at[:, :, 3:].set(1e3))

        def step(cache, args):
            x, position = args
            visible = jnp.ones((2, LENGTH + 1), bool)
            out, cache = gemma_fast.step(model, params, x[:, None], position[:, None], visible, cache)
            return cache, out[:, 0]

        cache, outs = jax.lax.scan(step, cache, (x.swapaxes(0, 1)[3:], positions.T[3:]))
        return whole, (jnp.concatenate([out, outs.swapaxes(0, 1)], axis=1), cache)

    (whole, full), (out, cache) = run()
    np.testing.assert_allclose(out, whole, **TOLERANCE)
    assert cache.index == full.index == LENGTH
    for name in ("k", "v"):
        got, expected = getattr(cache, name), getattr(full, name)
        np.testing.assert_allclose(got[:, :, :LENGTH], expected[:, :, :LENGTH], **TOLERANCE, err_msg=name)
        assert (got[:, :, LENGTH:] == 1e3).all()


def test_the_cache_is_written_in_place():
    case, slots = CASES[0], 5000
    model, params = build(case, remat="full"), golden.subtree(golden.load(f"modules/{case}"), "params")
    config = model.configs[0]
    shape = jax.ShapeDtypeStruct((config.depth, 1, slots, config.num_kv_heads, config.head_dim), jnp.float32)

    def fill(cache):
        x, mask = jnp.ones((1, 1, config.width)), jnp.ones((1, slots), bool)
        step = lambda _, cache: gemma_fast.step(model, params, x, jnp.full((1, 1), cache.index), mask, cache)[1]
        return jax.lax.fori_loop(0, slots, step, cache)

    compiled = jax.jit(fill).lower(gemma_fast.Cache(shape, shape, jax.ShapeDtypeStruct((), jnp.int32))).compile()
    keys_and_values = 2 * shape.size * shape.dtype.itemsize
    assert compiled.memory_analysis().temp_size_in_bytes < keys_and_values  # no second cache
