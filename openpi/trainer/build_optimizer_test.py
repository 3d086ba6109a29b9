import jax
import jax.numpy as jnp
import numpy as np

from openpi.config import load
from openpi.trainer import build_optimizer, optimizer, schedule


def test_every_setting_arrives():
    config = load.load("experiments/aloha.py")
    config.optimizer.update(b1=0.8, b2=0.7, eps=1e-3, weight_decay=0.1, clip_gradient_norm=0.5)
    config.lr_schedule.update(warmup_steps=3, peak_lr=0.1, decay_steps=9, decay_lr=0.05)
    rate = schedule.cosine(warmup_steps=3, peak_lr=0.1, decay_steps=9, decay_lr=0.05)
    want = optimizer.adamw(rate, b1=0.8, b2=0.7, eps=1e-3, weight_decay=0.1, clip_gradient_norm=0.5)
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
