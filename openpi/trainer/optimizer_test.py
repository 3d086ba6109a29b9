import json
import pathlib

import jax
import numpy as np
import optax
import pytest
from flax import traverse_util

from openpi.trainer import ema, optimizer, schedule

TESTDATA = pathlib.Path(__file__).parent / "testdata" / "optim"
CASES = json.loads((TESTDATA / "index.json").read_text())["updates"]


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    settings = CASES[case]
    with np.load(TESTDATA / "updates.npz", allow_pickle=False) as arrays:
        arrays = {name.removeprefix(f"{case}/"): arrays[name] for name in arrays.files if name.startswith(f"{case}/")}

    def tree(name):
        flat = {key.removeprefix(f"{name}/"): arrays[key] for key in arrays if key.startswith(f"{name}/")}
        return traverse_util.unflatten_dict(flat, sep="/")

    def assert_close(got, name):
        check = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8, err_msg=f"{case} {name}")
        jax.tree.map(check, got, tree(name))

    rate = settings["lr"] if isinstance(settings["lr"], float) else schedule.cosine(**settings["lr"]["cosine"])
    if case.startswith("sgd"):
        options = {key: settings["optimizer"][key] for key in ("momentum", "nesterov")}
        transformation = optimizer.sgd(rate, **options)
    else:
        transformation = optimizer.adamw(rate, **settings["optimizer"])

    params = average = tree("params0")
    opt_state = transformation.init(params)
    for step in range(settings["steps"]):
        gradients = tree(f"grads{step}")
        np.testing.assert_allclose(optax.tree.norm(gradients), arrays[f"grad_norm{step}"], rtol=1e-5)
        updates, opt_state = transformation.update(gradients, opt_state, params)
        assert_close(updates, f"updates{step}")
        params = optax.apply_updates(params, updates)
        assert_close(params, f"params{step + 1}")
        if settings["ema_decay"] is not None:
            average = ema.update(average, params, settings["ema_decay"])
            assert_close(average, f"ema{step + 1}")

    leaves = [
        [jax.tree_util.keystr(path), list(leaf.shape), str(leaf.dtype)]
        for path, leaf in jax.tree_util.tree_flatten_with_path(opt_state)[0]
    ]
    assert leaves == settings["final_opt_state_leaves"]
