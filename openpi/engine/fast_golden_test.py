"""The reference implementation's tokens and logits for tiny random pi0-FAST models: plain, with an early end, with adapters."""

import functools
import json

import jax
import numpy as np
import pytest

from openpi.engine import fast_plan, fast_present, fast_sampler
from openpi.models import gemma, golden, lora, observation, pi0_fast, siglip

CASES = json.loads((golden.TESTDATA / "pi0_fast" / "cases.json").read_text())


def model_config(facts):
    adapters = {key: given and lora.LoraConfig(**given) for key, given in facts["language"].items() if "lora" in key}
    return pi0_fast.Pi0FastConfig(
        siglip=siglip.SiglipConfig(**facts["siglip"] | {"patch_size": tuple(facts["siglip"]["patch_size"])}),
        language=gemma.GemmaConfig(**facts["language"] | adapters),
        **{"dtype": "float32"} | facts["model"],
    )


@pytest.mark.parametrize("name", CASES)
def test_tokens_and_the_logits_they_are_picked_from(name):
    config, steps = model_config(CASES[name]), CASES[name]["max_decoding_steps"]
    plan = jax.jit(functools.partial(fast_plan.prepare, config))(golden.subtree(golden.load(f"pi0_fast/{name}/params")))
    given = golden.subtree(golden.load(f"pi0_fast/{name}/inputs"))
    seen = observation.Observation.from_dict(fast_present.present(given | {"image": given.pop("image_uint8")}))
    expected = golden.load(f"pi0_fast/{name}/expected")

    first, text = jax.jit(lambda seen: fast_sampler.read(config, plan, seen, steps))(seen)
    write = jax.jit(functools.partial(fast_sampler.write, config, plan))
    logits, so_far = first, text
    for tokens, logits_then in zip(expected["sample_tokens"].T, expected["step_logits"]):
        np.testing.assert_allclose(logits, logits_then, rtol=1e-3, atol=2e-4)
        logits, so_far = write(tokens, so_far)
    decode = jax.jit(functools.partial(fast_sampler.decode, config, plan, max_decoding_steps=steps))
    for seed, temperature, key in ((0, 0.0, "sample_tokens"), (5, 0.8, "sample_tokens_temperature0p8_key5")):
        got = decode(first, text, jax.random.key(seed), temperature=temperature)
        np.testing.assert_array_equal(got, expected[key], err_msg=key)
