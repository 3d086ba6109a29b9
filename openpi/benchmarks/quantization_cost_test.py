import dataclasses
import functools

import jax
import numpy as np
import pytest

from openpi.benchmarks import quantization_cost
from openpi.client import base_policy
from openpi.engine import flow_plan
from openpi.models import gemma, pi0, siglip

TINY = pi0.Pi0Config(
    siglip=siglip.SiglipConfig(16, 1, 32, 2),
    language=gemma.GemmaConfig(16, 1, 32, 2, 1, 8),
    expert=gemma.GemmaConfig(16, 1, 32, 2, 1, 8),
    vocab_size=1000,
    max_token_len=8,
    image_resolution=(28, 28),
)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bytes_are_those_of_a_real_plan(dtype):
    config = dataclasses.replace(TINY, dtype=dtype)
    shapes = jax.eval_shape(functools.partial(pi0.init, config), jax.random.key(0))
    plan = flow_plan.prepare(config, jax.tree.map(lambda leaf: np.zeros(leaf.shape, dtype), shapes))
    assert quantization_cost.plan_bytes(config, "none") == sum(leaf.nbytes for leaf in jax.tree.leaves(plan))
    # The table, by far the largest: a byte each, and a scale a token.
    saved = 16_000 * (plan.embedding.dtype.itemsize - 1) - 1000 * plan.embedding.dtype.itemsize
    assert saved < quantization_cost.plan_bytes(config, "none") - quantization_cost.plan_bytes(config, "int8")


def test_errors_are_parts_of_how_far_actions_lead():
    state = np.array([[1.0, 2.0], [3.0, 4.0]])
    expected = state[:, None] + np.full((2, 5, 2), 0.5)
    got = expected.copy()
    got[0, 0, 0] += 0.2
    found = quantization_cost.error(got, expected, state)
    assert found == pytest.approx({"rms": 0.4 / np.sqrt(20), "mean": 0.02, "max": 0.4, "max_in_units": 0.2})
    with pytest.raises(ValueError, match=r"state \(2, 1\) must have the joints of actions \(2, 5, 2\)"):
        quantization_cost.error(got, expected, state[:, :1])


class _Scales(base_policy.BasePolicy):
    """Answers the noise it is given, times a factor, beside the state."""

    def __init__(self, factor):
        self._factor = factor

    def infer(self, obs):
        return {"actions": obs["state"] + self._factor * obs["openpi"]["noise"]}


def test_policies_answer_the_same_observations_with_the_same_noise():
    observations = [{"state": np.full((1, 2), place)} for place in range(3)]
    noise = np.random.default_rng(0).normal(size=(3, 4, 2))
    actions, seconds = quantization_cost.answer({"one": _Scales(1), "two": _Scales(2)}, observations, noise)
    for name, factor in (("one", 1), ("two", 2)):
        np.testing.assert_array_equal(actions[name], np.arange(3)[:, None, None] + factor * noise)
        assert seconds[name]["n"] == 3
