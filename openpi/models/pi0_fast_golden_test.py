"""Numbers of the reference implementation for tiny random pi0-FAST models: plain, with an early end, with adapters."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.models import attention_mask, gemma, gemma_fast, golden, lora, observation, pi0_fast, right_align, siglip

CASES = json.loads((golden.TESTDATA / "pi0_fast" / "cases.json").read_text())
TOLERANCE = {"rtol": 1e-3, "atol": 2e-4}


def model_config(name, **settings):
    facts = CASES[name]
    adapters = {
        key: facts["language"][key] and lora.LoraConfig(**facts["language"][key]) for key in ("lora", "ffn_lora")
    }
    return pi0_fast.Pi0FastConfig(
        siglip=siglip.SiglipConfig(**facts["siglip"] | {"patch_size": tuple(facts["siglip"]["patch_size"])}),
        language=gemma.GemmaConfig(**facts["language"] | adapters),
        **{"dtype": "float32"} | facts["model"] | settings,
    )


class Case:
    def __init__(self, name):
        # Looped and recomputed layers in the plain case, unrolled ones in the others: the numbers are the same.
        self.name, self.facts, self.config = (
            name,
            CASES[name],
            model_config(name, remat="full" if name == "pi0_fast" else "none"),
        )
        self.steps = self.facts["max_decoding_steps"]
        self.params = jax.tree.map(jnp.asarray, golden.subtree(golden.load(f"pi0_fast/{name}/params")))
        given = golden.subtree(golden.load(f"pi0_fast/{name}/inputs"))
        self.expected = golden.load(f"pi0_fast/{name}/expected")
        images = {"image": given.pop("image_uint8"), "image_mask": given.pop("image_mask")}
        self.observation = observation.Observation.from_dict(given | images)

    def outputs(self, config, params):
        """All intermediate results and the loss, under the golden names."""
        inputs = pi0_fast.embed_inputs(config, params, self.observation)
        attn_mask = attention_mask.make_attn_mask(inputs.mask, inputs.ar_mask)
        _, aligned_mask, aligned_attn_mask = right_align.right_align(inputs.embedded, inputs.mask, attn_mask)
        encoded = pi0_fast.encode(config, params, inputs)
        logits, decoding = pi0_fast.prefill(config, params, inputs, self.steps)
        last = -16 - self.steps  # cache slots
        return {
            "embeddings_every_7th": inputs.embedded[:, ::7],
            "input_mask": inputs.mask,
            "ar_mask": inputs.ar_mask,
            "attn_mask_packed": jnp.packbits(attn_mask, axis=-1),
            "aligned_input_mask": aligned_mask,
            "aligned_attn_mask_packed": jnp.packbits(aligned_attn_mask, axis=-1),
            "aligned_positions": jnp.cumsum(aligned_mask, axis=1) - 1,
            "pre_logits_every_7th": encoded[:, ::7],
            "logits_text": gemma_fast.logits(params["PaliGemma"]["llm"], encoded[:, 1 - config.max_token_len :]),
            "loss": pi0_fast.compute_loss(config, params, jax.random.key(0), self.observation, None),
            "prefill_last_logits": logits[:, None],
            "prefill_cache_idx": jnp.full(decoding.cache.k.shape[:2], decoding.cache.index),
            "prefill_cache_k_last16": decoding.cache.k[:, :, last:],
            "prefill_cache_v_last16": decoding.cache.v[:, :, last:],
        }, decoding

    @functools.cached_property
    def float32(self):
        """Gradients of the mean loss, and, in the same pass: the outputs and the state to decode from."""

        def mean_loss(params):
            outputs, decoding = self.outputs(self.config, params)
            return jnp.mean(outputs["loss"]), (outputs, decoding)

        return jax.jit(jax.grad(mean_loss, has_aux=True))(self.params)

    @functools.cached_property
    def sample(self):
        """Function of parameters, key, observation and temperature."""
        return jax.jit(functools.partial(pi0_fast.sample_actions, self.config, max_decoding_steps=self.steps))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return Case(request.param)


def test_parameter_tree(case):
    shapes = jax.eval_shape(functools.partial(pi0_fast.init, case.config), jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == jax.tree.map(lambda leaf: leaf.shape, case.params)


def test_outputs(case):
    _, (outputs, _) = case.float32
    for name, got in outputs.items():
        assert got.shape == case.expected[name].shape, name
        tolerance = TOLERANCE if got.dtype == jnp.float32 else {"rtol": 0, "atol": 0}
        np.testing.assert_allclose(got, case.expected[name], **tolerance, err_msg=name)
    np.testing.assert_allclose(jnp.mean(outputs["loss"]), case.facts["mean_loss"], rtol=1e-4)


def test_gradients(case):
    grads = traverse_util.flatten_dict(case.float32[0], sep="/")
    assert grads.keys() == case.facts["grad_norms"].keys()
    for path, norm in case.facts["grad_norms"].items():
        np.testing.assert_allclose(jnp.linalg.norm(grads[path]), norm, rtol=1e-3, atol=1e-6, err_msg=path)
    total = np.sqrt(sum(float(jnp.vdot(grad, grad)) for grad in grads.values()))
    np.testing.assert_allclose(total, case.facts["global_norm"], rtol=1e-3)
    for path, grad in traverse_util.flatten_dict(golden.subtree(case.expected, "grads"), sep="/").items():
        atol = 5e-5 * np.abs(grad).max()
        np.testing.assert_allclose(grads[path], grad, rtol=1e-3, atol=atol, err_msg=path)


def test_logits_of_each_step(case):
    """What each greedy token is picked from, when the reference's tokens are read back."""
    logits, decoding = case.float32[1][0]["prefill_last_logits"][:, 0], case.float32[1][1]
    step = jax.jit(functools.partial(pi0_fast.decode_step, case.config))
    for index, expected in enumerate(case.expected["step_logits"]):
        if index:
            logits, decoding = step(case.params, case.expected["sample_tokens"][:, index - 1], decoding)
        np.testing.assert_allclose(logits, expected, **TOLERANCE, err_msg=str(index))


def test_tokens(case):
    for seed, temperature, name in ((0, 0.0, "sample_tokens"), (5, 0.8, "sample_tokens_temperature0p8_key5")):
        got = case.sample(case.params, jax.random.key(seed), case.observation, temperature=temperature)
        np.testing.assert_array_equal(got, case.expected[name], err_msg=name)


@pytest.mark.parametrize(("row", "index"), [(0, 1), (0, 4), (1, 3)])
def test_a_row_that_ends_leaves_the_other_alone(row, index):
    """The reference's tokens up to the end of each row, when the token at this row and index is made the end.

    Two token ids change places, in the embedding table and in the prompt: the same model in other words.
    """
    case = plain_case()
    expected = case.expected["sample_tokens"]
    swap = np.arange(case.config.vocab_size)
    swap[[pi0_fast.EOS, expected[row, index]]] = swap[[expected[row, index], pi0_fast.EOS]]
    llm = case.params["PaliGemma"]["llm"]
    table = {"embedder": {"input_embedding": llm["embedder"]["input_embedding"][swap]}}
    params = {"PaliGemma": case.params["PaliGemma"] | {"llm": llm | table}}
    prompt = swap[case.observation.tokenized_prompt]
    got = case.sample(params, jax.random.key(0), case.observation.replace(tokenized_prompt=prompt), temperature=0.0)
    expected = swap[expected]
    ended = np.cumsum(expected == pi0_fast.EOS, axis=1) - (expected == pi0_fast.EOS) > 0
    np.testing.assert_array_equal(got, np.where(ended, 0, expected))
    assert (got[row, index + 1 :] == 0).all()
    assert (got[1 - row] != 0).all()


@functools.cache
def plain_case():
    return Case("pi0_fast")


@pytest.mark.parametrize("mode", ["bfloat16", "bfloat16_params_bfloat16"])
def test_bfloat16(case, mode):
    """Computed in bfloat16, with parameters in float32 as in training, or in bfloat16 as in serving."""
    params = case.params
    if mode == "bfloat16_params_bfloat16":
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    config = model_config(case.name, dtype="bfloat16", remat="none")
    outputs = jax.jit(lambda params: case.outputs(config, params)[0])(params)
    expected = golden.subtree(golden.load(f"pi0_fast/{case.name}/bfloat16"), mode)
    assert expected.keys() >= {"loss", "logits_text", "prefill_last_logits", "prefill_cache_k_last16"}
    for name, want in expected.items():
        got = outputs[name]
        in_float32 = name == "loss" or (mode == "bfloat16" and "logits" in name and "pre_" not in name)
        assert got.dtype == (jnp.float32 if in_float32 else jnp.bfloat16), name
        error = np.sqrt(np.mean((np.asarray(got, np.float32) - want) ** 2) / np.mean(want**2))
        allowed = 2 * case.facts["bfloat16"][mode][name.removesuffix("_every_7th")] + 1e-3
        # From bfloat16 logits the reference also takes a bfloat16 log-softmax, rounded to 1 in 2**9; ours is float32.
        allowed += 2**-9 if name == "loss" and mode == "bfloat16_params_bfloat16" else 0
        assert error < allowed, name
