import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from openpi.config import load, schema
from openpi.trainer import build_optimizer, optimizer, schedule

TESTDATA = pathlib.Path(__file__).parent / "testdata" / "optim" / "index.json"
ADAMW = {"b1": 0.8, "b2": 0.7, "eps": 1e-3, "weight_decay": 0.1, "clip_gradient_norm": 0.5}
SGD = {"momentum": 0.7, "nesterov": True}
COSINE = {"warmup_steps": 3, "peak_lr": 0.1, "decay_steps": 9, "decay_lr": 0.05}
INVERSE_SQRT = {"warmup_steps": 1, "peak_lr": 0.1, "timescale": 2}


@pytest.mark.parametrize(
    ("kinds", "want"),
    [
        (("adamw", "cosine"), optimizer.adamw(schedule.cosine(**COSINE), **ADAMW)),
        (("adamw", "inverse_sqrt"), optimizer.adamw(schedule.inverse_sqrt(**INVERSE_SQRT), **ADAMW)),
        (("sgd", "cosine"), optimizer.sgd(schedule.cosine(**COSINE), **SGD)),
        (("sgd", "inverse_sqrt"), optimizer.sgd(schedule.inverse_sqrt(**INVERSE_SQRT), **SGD)),
    ],
)
def test_every_setting_arrives(kinds, want):
    config = load.load("experiments/aloha.py")
    config.optimizer.update(kind=kinds[0], **ADAMW, **SGD)
    config.lr_schedule.update(kind=kinds[1], **(COSINE if kinds[1] == "cosine" else INVERSE_SQRT))
    params = {"a": jnp.arange(3.0)}
    results = []
    for transformation in (build_optimizer.build(config), want):
        state, now = transformation.init(params), params
        for step in range(4):
            updates, state = transformation.update({"a": jnp.ones(3) * step}, state, now)
            now = jax.tree.map(jnp.add, now, updates)
        results.append(now["a"])
    np.testing.assert_array_equal(*results)
    assert not np.allclose(results[0], params["a"])


def test_published_defaults():
    config = schema.base_config("mine")
    config.lr_schedule = schema.inverse_sqrt_schedule(1000, 5e-5, 10_000)
    defaults = json.loads(TESTDATA.read_text())["defaults"]
    assert {key: config.optimizer[key] for key in defaults["AdamW"]} == defaults["AdamW"]
    assert {key: config.optimizer[key] for key in SGD} == {key: defaults["SGD"][key] for key in SGD}
    assert {key: config.lr_schedule[key] for key in INVERSE_SQRT} == defaults["RsqrtDecaySchedule"]
    with pytest.raises(AttributeError, match="weight_decay_mask"):
        config.lock().optimizer.weight_decay_mask = "a"  # nobody reads it: rejected as any unknown field
