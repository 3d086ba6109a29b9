"""Numbers of the reference implementation for tiny random models: pi0, pi0.5, with adapters, without a prompt."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.models import attention_mask, flow, gemma, golden, lora, observation, pi0, siglip

CASES = json.loads((golden.TESTDATA / "pi0" / "cases.json").read_text())
TOLERANCE = {"rtol": 1e-4, "atol": 5e-5}
THINNED = {"float32": 13, "bfloat16": 39}  # of prefix tokens, the golden files keep every so many
STEPS = (1, 10, 50)


def expert(facts):
    adapters = {key: facts[key] and lora.LoraConfig(**facts[key]) for key in ("lora", "ffn_lora")}
    return gemma.GemmaConfig(**facts | adapters)


def model_config(name, dtype):
    facts = CASES[name]
    tower = facts["siglip"] | {"patch_size": tuple(facts["siglip"]["patch_size"])}
    return pi0.Pi0Config(
        siglip=siglip.SiglipConfig(**tower),
        language=expert(facts["language"]),
        expert=expert(facts["expert"]),
        dtype=dtype,
        # Looped and recomputed layers in the plain cases, unrolled ones in the others: the numbers are the same.
        remat={"pi0": "full", "pi05": "dots"}.get(name, "none"),
        **facts["model"],
    )


@functools.partial(jax.jit, static_argnums=0)
def forward(config, params, obs, given):
    """The loss and all that leads to it."""
    keys = ("noise", "time")
    loss = pi0.compute_loss(
        config, params, jax.random.key(0), obs, given["actions"], **{key: given[key] for key in keys}
    )
    x_t, u_t = flow.interpolate(given["actions"], given["noise"], given["time"])
    prefix = pi0.embed_prefix(config, params, obs)
    suffix = pi0.embed_suffix(config, params, obs.state, x_t, given["time"])
    prefix_out, suffix_out = pi0.encode_jointly(config, params, prefix, suffix)
    outputs = {"prefix_mask": prefix.mask, "prefix_ar_mask": prefix.ar_mask, "prefix_out": prefix_out}
    outputs |= {"suffix_mask": suffix.mask, "suffix_ar_mask": suffix.ar_mask, "suffix_out": suffix_out}
    outputs |= {"prefix_tokens": prefix.embedded, "suffix_tokens": suffix.embedded, "adarms_cond": suffix.cond}
    v_t = pi0.joint_velocity(config, params, prefix, suffix)
    return outputs | {"loss": loss, "x_t": x_t, "u_t": u_t, "v_t": v_t}


@functools.partial(jax.jit, static_argnums=0)
def gradients(config, params, obs, given):
    def mean_loss(params):
        noise, time = given["noise"], given["time"]
        return pi0.compute_loss(config, params, jax.random.key(0), obs, given["actions"], noise=noise, time=time).mean()

    return jax.value_and_grad(mean_loss)(params)


sample = jax.jit(pi0.sample_actions, static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def velocities(config, params, obs, points, times):
    prefix = pi0.encode_prefix(config, params, pi0.embed_prefix(config, params, obs))
    velocity = functools.partial(pi0.predict_velocity, config, params, prefix, obs.state)
    return jax.lax.map(lambda at: velocity(*at), (points, times))


class Case:
    def __init__(self, name):
        self.name, self.facts, self.config = name, CASES[name], model_config(name, "float32")
        self.params = golden.subtree(golden.load(f"pi0/{name}/params"))
        self.given = golden.subtree(golden.load(f"pi0/{name}/inputs"))
        self.expected = golden.load(f"pi0/{name}/expected")
        form = {key: self.given.get(key) for key in ("state", "tokenized_prompt", "tokenized_prompt_mask")}
        images = {"image": self.given["image_uint8"], "image_mask": self.given["image_mask"]}
        self.observation = observation.Observation.from_dict(images | form)
        self.rng = jax.random.key(self.facts["rng_key_seed"])

    def forward(self, **changes):
        given = {key: self.given[key] for key in ("actions", "noise", "time")} | changes
        return forward(self.config, self.params, self.observation, given)

    def sample(self, noise, num_steps):
        return sample(self.config, self.params, self.rng, self.observation, noise=noise, num_steps=num_steps)


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return Case(request.param)


def assert_close(case, outputs):
    for name, got in outputs.items():
        assert got.shape == case.expected[name].shape, name
        np.testing.assert_allclose(got, case.expected[name], **TOLERANCE, err_msg=name)


def test_parameter_tree(case):
    shapes = jax.eval_shape(functools.partial(pi0.init, case.config), jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == jax.tree.map(lambda leaf: leaf.shape, case.params)


def test_forward(case):
    outputs = {key: np.asarray(value) for key, value in case.forward().items() if value is not None}
    outputs["positions"] = (
        np.cumsum(np.concatenate([outputs["prefix_mask"], outputs["suffix_mask"]], axis=1), axis=1) - 1
    )
    for key in [key for key in outputs if "mask" in key or key == "positions"]:
        np.testing.assert_array_equal(outputs.pop(key), case.expected[key], err_msg=key)
    for key in ("prefix_tokens", "prefix_out"):
        outputs[f"{key}_thinned"] = outputs.pop(key)[:, :: THINNED["float32"]]
    assert ("adarms_cond" in outputs) == case.config.pi05
    assert_close(case, outputs)


def test_attention_mask(case):
    input_mask, ar_mask = (
        np.concatenate([case.expected[f"{part}_{kind}"] for part in ("prefix", "suffix")], axis=-1)
        for kind in ("mask", "ar_mask")
    )
    mask = np.asarray(attention_mask.make_attn_mask(input_mask, ar_mask))
    np.testing.assert_array_equal(np.packbits(mask, axis=-1), case.expected["attn_mask_packed"])


def test_gradients(case):
    given = {key: case.given[key] for key in ("actions", "noise", "time")}
    mean, grads = gradients(case.config, case.params, case.observation, given)
    np.testing.assert_allclose(mean, case.facts["mean_loss"], **TOLERANCE)
    grads = {path: np.asarray(grad) for path, grad in traverse_util.flatten_dict(grads, sep="/").items()}
    norms = {path: np.linalg.norm(grad) for path, grad in grads.items()}
    assert norms.keys() == case.facts["grad_norms"].keys()
    for path, norm in case.facts["grad_norms"].items():
        np.testing.assert_allclose(norms[path], norm, rtol=1e-3, atol=1e-6, err_msg=path)
    trainable = [norm for path, norm in norms.items() if path not in case.facts["frozen_paths"]]
    np.testing.assert_allclose(np.linalg.norm(list(norms.values())), case.facts["global_norm"], rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(trainable), case.facts["trainable_norm"], rtol=1e-3)
    for path, grad in traverse_util.flatten_dict(golden.subtree(case.expected, "grads"), sep="/").items():
        atol = 5e-5 * np.abs(grad).max()
        np.testing.assert_allclose(grads[path], grad, rtol=1e-3, atol=atol, err_msg=path)


def test_sampled_actions(case):
    assert_close(case, {f"sample_actions_steps{n}": case.sample(case.given["noise"], n) for n in STEPS})


def test_random_streams(case):
    _, noise_rng, time_rng = jax.random.split(case.rng, 3)
    noise = jax.random.normal(noise_rng, case.given["actions"].shape)
    time = jax.random.beta(time_rng, 1.5, 1, (2,)) * 0.999 + 0.001
    assert_close(case, {"rngkey_noise": noise, "rngkey_time": time})
    start = jax.random.normal(case.rng, case.given["actions"].shape)
    loss = case.forward(noise=noise, time=time)["loss"]
    assert_close(case, {"rngkey_loss": loss, "rngkey_sample_noise": start})
    assert_close(case, {"rngkey_sample_actions_steps10": case.sample(start, 10)})


def test_noise_and_time_are_drawn_so_from_the_key():
    case = Case("pi05_lora")
    args = (case.params, case.rng, case.observation)
    loss = jax.jit(functools.partial(pi0.compute_loss, case.config))(*args, case.given["actions"])
    actions = jax.jit(functools.partial(pi0.sample_actions, case.config))(*args)
    assert_close(case, {"rngkey_loss": loss, "rngkey_sample_actions_steps10": actions})


def test_velocity_along_the_trajectory(case):
    path, times = case.expected["sample_trajectory_steps10_x"], case.expected["sample_trajectory_steps10_time"]
    points = np.concatenate([case.expected["x_t"][None], path[:-1]])
    times = np.concatenate([case.given["time"][None], np.broadcast_to(times[:-1, None], (10, 2))])
    got = velocities(case.config, case.params, case.observation, points, times)
    assert_close(case, {"v_t": got[0]})
    np.testing.assert_allclose(path[:-1] - 0.1 * got[1:], path[1:], **TOLERANCE)


@pytest.mark.parametrize("mode", ["bfloat16", "bfloat16_params_bfloat16"])
def test_bfloat16(case, mode):
    """Training (float32 parameters) and serving (bfloat16 ones), as loosely as rounding needs."""
    half = Case(case.name)
    half.config = model_config(case.name, "bfloat16")
    if mode == "bfloat16_params_bfloat16":
        half.params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), half.params)
    outputs = half.forward()
    outputs |= {f"sample_actions_steps{n}": half.sample(half.given["noise"], n) for n in STEPS}
    expected = golden.subtree(golden.load(f"pi0/{case.name}/bfloat16"))[mode]
    assert expected.keys() == case.facts["bfloat16"][mode].keys()
    for name, want in expected.items():
        assert outputs[name].dtype == case.facts["dtypes"][mode][name], name
        got = np.asarray(outputs[name], np.float32)
        got = got[:, :: THINNED["bfloat16"]] if name == "prefix_tokens" else got
        error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
        assert error < 2 * case.facts["bfloat16"][mode][name] + 1e-3, name
