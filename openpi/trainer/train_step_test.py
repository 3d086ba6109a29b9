import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

from openpi.models import gemma, lora, observation, pi0, siglip
from openpi.trainer import optimizer, schedule, train_step
from openpi.trainer import state as state_lib

TESTDATA = pathlib.Path(__file__).parent / "testdata" / "train_step"
DIMS = json.loads((TESTDATA / "dims.json").read_text())
CASES = {name: case for name, case in json.loads((TESTDATA / "index.json").read_text()).items() if name != "_notes"}
FROZEN = {
    "full_ema": "",
    "lora_frozen_no_ema": "(?!.*lora).*llm.*",
    "pi05_lora_paligemma_only_ema": "(?!.*lora)(?!.*llm.*_1).*llm.*",
}


def expert(name, variant):
    adapters = DIMS[f"{name}_lora"] if variant.endswith("_lora") else None
    attn, ffn = (None, None) if adapters is None else (lora.LoraConfig(**adapters[part]) for part in ("attn", "ffn"))
    return gemma.GemmaConfig(**DIMS[name], lora=attn, ffn_lora=ffn)


def model_config(settings):
    return pi0.Pi0Config(
        dtype=settings["dtype"],
        siglip=siglip.SiglipConfig(**DIMS["siglip"] | {"patch_size": tuple(DIMS["siglip"]["patch_size"])}),
        language=expert("gemma", settings["paligemma_variant"]),
        expert=expert("expert", settings["action_expert_variant"]),
        vocab_size=DIMS["vocab"],
        action_dim=settings["action_dim"],
        action_horizon=settings["action_horizon"],
        max_token_len=settings["max_token_len"],
        pi05=settings["pi05"],
        remat="none",  # compiles faster; the numbers are the same
    )


def load(name):
    with np.load(TESTDATA / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def subtree(arrays, prefix):
    flat = {key.removeprefix(prefix + "/"): value for key, value in arrays.items() if key.startswith(prefix + "/")}
    return traverse_util.unflatten_dict(flat, sep="/")


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    golden, arrays, inputs = CASES[case], load(case), load("inputs")
    config = model_config(golden["model_config"])
    seen = observation.Observation.from_dict(
        {
            "image": subtree(inputs, "image_uint8"),
            "image_mask": subtree(inputs, "image_mask"),
            **{key: inputs[key] for key in ("state", "tokenized_prompt", "tokenized_prompt_mask")},
        }
    )

    def loss_fn(params, rng, batch, part):
        noise, time = inputs["noise"], inputs["time"]
        return pi0.compute_loss(config, params, rng, *batch, train=False, noise=noise, time=time, part=part)

    transformation = optimizer.adamw(schedule.cosine(**golden["lr_schedule"]), **golden["optimizer"])
    decay, frozen = golden["ema_decay"] or 0.0, FROZEN[case]
    params = jax.tree.map(jnp.asarray, subtree(arrays, "params0"))
    state = state_lib.create(params, transformation, frozen=frozen, ema=decay > 0)
    in_bfloat16 = [path for path, leaf in flat(state.params).items() if leaf.dtype == jnp.bfloat16]
    assert sorted(in_bfloat16) == sorted(golden["frozen_bfloat16_paths"])
    assert len(jax.tree.leaves(state.opt_state)) == golden["num_opt_state_leaves"]

    step = jax.jit(train_step.make(loss_fn, transformation, frozen=frozen, ema_decay=decay), donate_argnums=0)
    for want in golden["info_per_step"]:
        state, metrics = step(state, jax.random.key(0), (seen, inputs["actions"]))
        np.testing.assert_allclose(metrics["loss"], want["loss"], rtol=1e-4, atol=5e-5)
        np.testing.assert_allclose(metrics["grad_norm"], want["grad_norm"], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(metrics["param_norm"], want["param_norm"], rtol=1e-4)
    assert state.step == golden["steps"]

    assert_close(state.params, subtree(arrays, "params2"), golden)
    if decay:
        want = subtree(arrays, "ema2")
        # The reference averages frozen leaves in bfloat16, where 0.99 x + 0.01 x is not x: they drift. Ours stay.
        trained, fixed = state_lib.split(state.ema_params, frozen)
        assert_close(trained, state_lib.split(want, frozen)[0], golden)
        jax.tree.map(np.testing.assert_array_equal, fixed, state_lib.split(state.params, frozen)[1])


def assert_close(got, want, golden):
    got, want = flat(got), flat(want)
    assert got.keys() == want.keys()
    for path in got:
        if path not in golden["rounding_noise_paths"]:
            array = np.asarray(got[path], np.float32)
            np.testing.assert_allclose(array, want[path], rtol=1e-3, atol=2e-4, err_msg=path)


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


def test_the_key_changes_with_the_step_and_frozen_leaves_do_not():
    seen = lambda params, rng, batch, part: (
        params["a"]["kernel"] * jax.random.uniform(rng) * batch + jnp.sum(params["llm"])
    )
    transformation = optax.sgd(0.0)
    params = {"a": {"kernel": jnp.ones((2, 2))}, "llm": jnp.full((2,), 0.3)}
    state = state_lib.create(params, transformation, frozen="llm", ema=True)
    frozen = np.asarray(state.params["llm"])
    step = jax.jit(train_step.make(seen, transformation, frozen="llm", ema_decay=0.99), donate_argnums=0)
    losses = []
    for _ in range(5):
        state, metrics = step(state, jax.random.key(0), 1.0)
        losses.append(float(metrics["loss"]))
    assert len(set(losses)) == 5
    np.testing.assert_array_equal(state.params["llm"], frozen)
    np.testing.assert_array_equal(state.ema_params["llm"], frozen)  # the average of equal values is that value
