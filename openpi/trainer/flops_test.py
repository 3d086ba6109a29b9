import dataclasses
import functools
import types
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from openpi.models import gemma, pi0, pi0_fast, siglip
from openpi.trainer import flops

X, W = jax.ShapeDtypeStruct((5, 7), jnp.float32), jax.ShapeDtypeStruct((7, 7), jnp.float32)
ONE = 2 * 5 * 7 * 7  # operations of X @ W


def loop(x, w):
    return jax.lax.scan(lambda x, _: (jax.checkpoint(jnp.tanh)(x @ w), None), x, length=3)[0]


@pytest.mark.parametrize(
    ("function", "products"),
    [
        (lambda x, w: x @ w, 1),
        (lambda x, w: jnp.einsum("td,dh->th", jax.jit(jnp.matmul)(x, w), w), 2),
        (loop, 3),
        (jax.grad(lambda x, w: (x @ w).sum(), argnums=(0, 1)), 3),
        (jax.grad(lambda x, w: jnp.square(x @ w).sum(), argnums=1), 2),
        (lambda x, w: jax.lax.cond(x[0, 0] > 0, lambda: x @ w @ w, lambda: x @ w), 2),
        (lambda x, w: jnp.square(x), 0),
    ],
)
def test_counts_matrix_products(function, products):
    assert flops.of_program(function, X, W) == products * ONE


EXPERT = gemma.GemmaConfig(8, 2, 16, 2, 1, 4)
SIZES: dict[str, Any] = {
    "siglip": siglip.SiglipConfig(8, 1, 16, 2, (14, 14)),
    "language": gemma.GemmaConfig(16, 2, 64, 2, 1, 4),
    "vocab_size": 32,
    "image_keys": ("base_0_rgb",),
    "image_resolution": (28, 28),
    "max_token_len": 6,
}
PI0 = pi0.Pi0Config(**SIZES, expert=EXPERT, action_dim=3, action_horizon=5, remat="none")


@pytest.mark.parametrize("remat", ["none", "full"])
def test_what_the_prefix_does_beyond_its_last_keys_is_not_computed(remat):
    batch, prefix, suffix = 2, 4 + 6, 1 + 5
    observation, actions = PI0.inputs_spec(batch)
    config = dataclasses.replace(PI0, remat=remat)
    params = jax.eval_shape(lambda rng: pi0.init(config, rng), jax.random.key(0))

    def velocity(unread, params, observation, noise):
        before = pi0.embed_prefix(config, params, observation)
        after = pi0.embed_suffix(config, params, observation.state, noise, jnp.ones(batch))
        return pi0.encode_jointly(config, params, before, after, unread=unread)[1]

    everything, needed = (
        flops.of_program(functools.partial(velocity, unread), params, observation, actions) for unread in ((), (0,))
    )
    language = config.language
    heads = language.num_heads * language.head_dim
    per_token = 2 * language.width * heads + 3 * language.width * language.mlp_dim + 2 * (prefix + suffix) * heads
    saved = 2 * batch * prefix * per_token
    # The looped layers are one program, whose branch of the last layer counts as the others do.
    assert everything - needed == (saved if remat == "none" else 0)


def test_seconds_at_peak():
    assert flops.seconds_at_peak(lambda: pytest.fail("asked in vain"), jax.devices()) is None
    device = types.SimpleNamespace(device_kind="NVIDIA H200")
    assert flops.seconds_at_peak(lambda: 989 * 10**12, [device] * 4) == 0.25


def test_a_step():
    whole = flops.of_step(PI0, batch_size=2)
    assert flops.of_step(PI0, batch_size=4) == pytest.approx(2 * whole, rel=0.01)
    # Forward, and backward towards weights and activations (not towards the pixels).
    observation, actions = PI0.inputs_spec(2)
    params = jax.eval_shape(lambda rng: pi0.init(PI0, rng), jax.random.key(0))
    forward = flops.of_program(
        lambda *args: pi0.compute_loss(PI0, args[0], jax.random.key(0), *args[1:]), params, observation, actions
    )
    assert 2 * forward < whole < 3 * forward
    assert forward < flops.of_step(PI0, batch_size=2, frozen=".*(img|llm).*") < whole
    assert whole < flops.of_step(PI0, batch_size=2, num_draws=4) < 4 * whole
    assert flops.of_step(pi0_fast.Pi0FastConfig(**SIZES), batch_size=2) > 0


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("cpu", None),
    ],
)
def test_peak(kind, want):
    assert flops.peak(kind) == want
