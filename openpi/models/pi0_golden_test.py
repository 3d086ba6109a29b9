"""Numbers of the reference implementation for tiny random models: pi0, pi0.5, with adapters, without a prompt."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from openpi.models import attention_mask, gemma, golden, lora, observation, pi0, siglip

CASES = json.loads((golden.TESTDATA / "pi0" / "cases.json").read_text())
TOLERANCE = {"rtol": 1e-4, "atol": 5e-5}


def expert(facts):
    adapters = {key: facts[key] and lora.LoraConfig(**facts[key]) for key in ("lora", "ffn_lora")}
    return gemma.GemmaConfig(**facts | adapters)


def model_config(name, **settings):
    facts = CASES[name]
    tower = facts["siglip"] | {"patch_size": tuple(facts["siglip"]["patch_size"])}
    return pi0.Pi0Config(
        siglip=siglip.SiglipConfig(**tower),
        language=expert(facts["language"]),
        expert=expert(facts["expert"]),
        **{"dtype": "float32"} | facts["model"] | settings,
    )


class Case:
    def __init__(self, name):
        # Looped and recomputed layers in the plain cases, unrolled ones in the others: the numbers are the same.
        self.name, self.facts, self.config = name, CASES[name], model_config(name, remat=name in ("pi0", "pi05"))
        self.params = jax.tree.map(jnp.asarray, golden.subtree(golden.load(f"pi0/{name}/params")))
        self.given = golden.subtree(golden.load(f"pi0/{name}/inputs"))
        self.expected = golden.load(f"pi0/{name}/expected")
        form = {key: self.given.get(key) for key in ("state", "tokenized_prompt", "tokenized_prompt_mask")}
        images = {"image": self.given["image_uint8"], "image_mask": self.given["image_mask"]}
        self.observation = observation.Observation.from_dict(images | form)
        self.rng = jax.random.key(self.facts["rng_key_seed"])

    @functools.cached_property
    def outputs(self):
        """Gradients of the mean loss, and, in the same pass: the loss, the mean loss and the tokens."""

        def mean_loss(params):
            noise, time, x_t = self.given["noise"], self.given["time"], self.expected["x_t"]
            args = (self.config, params, self.rng, self.observation)
            loss = pi0.compute_loss(*args, self.given["actions"], noise=noise, time=time)
            prefix = pi0.embed_prefix(self.config, params, self.observation)
            suffix = pi0.embed_suffix(self.config, params, self.given["state"], x_t, time)
            return jnp.mean(loss), (loss, jnp.mean(loss), prefix, suffix)

        return jax.jit(jax.grad(mean_loss, has_aux=True))(self.params)


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


def test_tokens_and_masks(case):
    _, (_, _, prefix, suffix) = case.outputs
    outputs = {"prefix_tokens_every_7th": prefix.embedded[:, ::7], "suffix_tokens": suffix.embedded}
    if case.config.pi05:
        outputs["adarms_cond"] = suffix.cond
    assert_close(case, outputs)
    for name, tokens in (("prefix", prefix), ("suffix", suffix)):
        np.testing.assert_array_equal(tokens.mask, case.expected[f"{name}_mask"])
        np.testing.assert_array_equal(tokens.ar_mask, case.expected[f"{name}_ar_mask"])
    input_mask = jnp.concatenate([prefix.mask, suffix.mask], axis=1)
    mask = attention_mask.make_attn_mask(input_mask, jnp.concatenate([prefix.ar_mask, suffix.ar_mask]))
    np.testing.assert_array_equal(np.packbits(np.asarray(mask), axis=-1), case.expected["attn_mask_packed"])
    np.testing.assert_array_equal(jnp.cumsum(input_mask, axis=1) - 1, case.expected["positions"])


def test_loss_and_gradients(case):
    grads, (loss, mean, _, _) = case.outputs
    assert_close(case, {"loss": loss})
    np.testing.assert_allclose(mean, case.facts["mean_loss"], **TOLERANCE)
    grads = traverse_util.flatten_dict(grads, sep="/")
    assert grads.keys() == case.facts["grad_norms"].keys()
    for path, norm in case.facts["grad_norms"].items():
        np.testing.assert_allclose(jnp.linalg.norm(grads[path]), norm, rtol=1e-3, atol=1e-6, err_msg=path)
    total = np.sqrt(sum(float(jnp.vdot(grad, grad)) for grad in grads.values()))
    np.testing.assert_allclose(total, case.facts["global_norm"], rtol=1e-3)
    for path, grad in traverse_util.flatten_dict(golden.subtree(case.expected, "grads"), sep="/").items():
        atol = 5e-5 * np.abs(grad).max()
        np.testing.assert_allclose(grads[path], grad, rtol=1e-3, atol=atol, err_msg=path)


def test_random_streams(case):
    _, noise_rng, time_rng = jax.random.split(case.rng, 3)
    noise = jax.random.normal(noise_rng, case.given["actions"].shape)
    time = jax.random.beta(time_rng, 1.5, 1, (2,)) * 0.999 + 0.001
    assert_close(case, {"rngkey_noise": noise, "rngkey_time": time})
    if case.name == "pi0":
        loss = jax.jit(functools.partial(pi0.compute_loss, case.config))
        got = loss(case.params, case.rng, case.observation, case.given["actions"])
        assert_close(case, {"rngkey_loss": got})


def test_sampled_actions(case):
    sample = jax.jit(functools.partial(pi0.sample_actions, case.config))
    outputs = {
        f"sample_actions_steps{steps}": sample(
            case.params, case.rng, case.observation, num_steps=steps, noise=case.given["noise"]
        )
        for steps in (1, 10, 50)
    }
    noise = jax.random.normal(case.rng, case.given["actions"].shape)
    from_key = sample(case.params, case.rng, case.observation, num_steps=10, noise=noise)
    assert_close(case, outputs | {"rngkey_sample_noise": noise, "rngkey_sample_actions_steps10": from_key})


@pytest.mark.parametrize("name", ["pi0", "pi05"])
def test_velocity_along_the_trajectory(name):
    case = Case(name)

    @jax.jit
    def velocities(params, points, times):
        prefix = pi0.encode_prefix(case.config, params, pi0.embed_prefix(case.config, params, case.observation))
        velocity = functools.partial(pi0.predict_velocity, case.config, params, prefix, case.given["state"])
        return jax.lax.map(lambda at: velocity(*at), (points, times))

    path, times = case.expected["sample_trajectory_steps10_x"], case.expected["sample_trajectory_steps10_time"]
    points = np.concatenate([case.expected["x_t"][None], path[:-1]])
    times = np.concatenate([case.given["time"][None], np.broadcast_to(times[:-1, None], (10, 2))])
    got = velocities(case.params, points, times)
    assert_close(case, {"v_t": got[0]})
    np.testing.assert_allclose(path[:-1] - 0.1 * got[1:], path[1:], **TOLERANCE)


@pytest.mark.parametrize("name", ["pi0", "pi05"])
def test_bfloat16_training(name):
    case, config = Case(name), model_config(name, dtype="bfloat16")
    given = {key: case.given[key] for key in ("noise", "time")}
    loss = jax.jit(functools.partial(pi0.compute_loss, config))
    assert_roughly(
        case, "bfloat16", "loss", loss(case.params, case.rng, case.observation, case.given["actions"], **given)
    )


@pytest.mark.parametrize("name", ["pi0", "pi05"])
def test_bfloat16_serving(name):
    case, config = Case(name), model_config(name, dtype="bfloat16")
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), case.params)
    sample = jax.jit(functools.partial(pi0.sample_actions, config))
    got = sample(params, case.rng, case.observation, noise=case.given["noise"])
    assert_roughly(case, "bfloat16_params_bfloat16", "sample_actions_steps10", got)


def assert_roughly(case, mode, name, got):
    assert got.dtype == jnp.float32
    want = golden.load(f"pi0/{case.name}/bfloat16")[f"{mode}/{name}"]
    error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
    assert error < 2 * case.facts["bfloat16"][mode][name] + 1e-3
