import json
import math
import pathlib
import re
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
import tensorstore as ts
from flax import traverse_util

from openpi.checkpoints import layout, restore
from openpi.checkpoints import manager as manager_lib

TESTDATA = pathlib.Path(__file__).parent / "testdata"


@pytest.fixture(scope="module")
def params():
    return jax.tree.map(jnp.asarray, restore.restore_params(TESTDATA / "checkpoint_tiny_pi0"))


def make_train_state(params, *, ema):
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(optax.constant_schedule(1e-3)))
    opt_state = optimizer.init(params)
    opt_state = jax.tree.map(lambda leaf: leaf + 3, opt_state)  # nothing stays zero
    return {"step": jnp.asarray(7), "params": params if ema else {}, "opt_state": opt_state}


def save(manager, step, params, **kwargs):
    kwargs = {"train_state": make_train_state(params, ema=False), "config": "{}"} | kwargs
    manager_lib.save(manager, step, params=params, **kwargs)


def open_run(directory, *, overwrite=False, resume=False, keep_period=None):
    return manager_lib.open_run(directory, overwrite=overwrite, resume=resume, keep_period=keep_period)


@pytest.mark.parametrize("ema", [False, True])
def test_paths_are_the_published_ones(tmp_path, params, ema):
    info = json.loads((TESTDATA / "checkpoint_info.json").read_text())["checkpoint"]
    manager, resuming = open_run(tmp_path)
    assert not resuming
    assets = {"tiny_robot/norm_stats.json": b"{}"}
    save(manager, 7, params, train_state=make_train_state(params, ema=ema), assets=assets, config='{"a": 1}')
    manager.close()

    def leaf_paths(item):
        flat = ocp.tree.to_flat_dict(restore.metadata(tmp_path / "7" / item), sep="/")
        return sorted(path for path, leaf in flat.items() if hasattr(leaf, "shape"))

    want = info["train_state_leaf_paths_without_ema"]
    if ema:  # golden lists only what EMA adds
        want = sorted(want + info["train_state_leaf_paths_with_ema"])
    assert leaf_paths("train_state") == want
    want = sorted(f"params/{path}/value" for path in traverse_util.flatten_dict(params, sep="/"))
    assert leaf_paths("params") == want
    golden = {re.sub(r"/[0-9a-f]{32}$", "/<random name>", name) for name in info["files"] if "left out" not in name}
    ours = [path for path in (tmp_path / "7").rglob("*") if path.is_file()]
    ours = {re.sub(r"/[0-9a-f]{32}$", "/<random name>", f"7/{path.relative_to(tmp_path / '7')}") for path in ours}
    assert golden <= ours
    assert layout.config_file(tmp_path / "7").read_text() == '{"a": 1}'
    jax.tree.map(np.testing.assert_array_equal, restore.restore_params(tmp_path), params)


def description(params_dir):
    """All that a reader learns of a stored tree before it reads numbers."""
    tree = json.loads((params_dir / "_METADATA").read_text())
    assert tree.pop("use_ocdbt", True)  # newer than the reference, which looks for the manifest
    store = ts.KvStore.open({"driver": "ocdbt", "base": f"file://{params_dir}/"}).result()
    zarrays = {name: json.loads(store[name]) for name in store.list().result() if name.endswith(b".zarray")}
    pieces = [name for name in store.list().result() if not name.endswith(b".zarray")]
    step = json.loads((params_dir.parent / "_CHECKPOINT_METADATA").read_text())
    return (
        tree,
        zarrays,
        pieces,
        step["item_handlers"]["params"],
        sorted(json.loads((params_dir / "_sharding").read_text())),
    )


def test_params_are_stored_as_published(tmp_path, params):
    """The reference implementation reads them then: the same keys, flags, names, chunks and compression."""
    manager, _ = open_run(tmp_path)
    save(manager, 7, params)
    manager.close()
    assert description(tmp_path / "7" / "params") == description(TESTDATA / "checkpoint_tiny_pi0" / "params")


def test_large_arrays_are_stored_in_pieces(tmp_path):
    """So that a reader never needs a whole one."""
    tree = {"a": jnp.zeros((3, 48 << 20), jnp.bfloat16)}  # 288 MiB
    manager, _ = open_run(tmp_path)
    manager_lib.save(manager, 1, params=tree, train_state={"step": jnp.asarray(1)}, config="{}")
    manager.close()
    (array,) = restore.parameters(tmp_path / "1" / "params").values()
    assert math.prod(array.chunks) * array.dtype.itemsize <= 64 << 20
    _, zarrays, pieces, *_ = description(tmp_path / "1" / "params")
    assert len(pieces) == array.nbytes // (math.prod(array.chunks) * array.dtype.itemsize)
    assert next(iter(zarrays.values()))["shape"] == [3, 48 << 20]


def test_round_trip_and_retention(tmp_path, params):
    state = make_train_state(params, ema=True)
    manager, _ = open_run(tmp_path, keep_period=10)
    for step in (5, 10, 15, 19):
        save(manager, step, params, train_state=state, data_iterator=b'{"at": %d}' % step)
    manager.close()
    assert layout.complete_steps(tmp_path) == [10, 19]

    manager, resuming = open_run(tmp_path, resume=True)
    assert resuming
    abstract = jax.eval_shape(lambda tree: tree, (params, state))
    restored = manager_lib.restore(tmp_path / "19", params=abstract[0], train_state=abstract[1])
    assert restored.data_iterator == b'{"at": 19}'
    assert jax.tree.structure(restored.train_state) == jax.tree.structure(state)
    jax.tree.map(np.testing.assert_array_equal, restored.train_state, state)
    jax.tree.map(np.testing.assert_array_equal, restored.params, params)
    early = manager_lib.restore(tmp_path / "10", params=abstract[0], train_state=abstract[1])
    assert early.data_iterator == b'{"at": 10}'
    manager.close()


def test_other_model_or_optimizer(tmp_path, params):
    state = make_train_state(params, ema=False)
    manager, _ = open_run(tmp_path)
    save(manager, 1, params)
    manager.wait_until_finished()
    other = params | {"state_proj": {"kernel": jnp.ones((4, 9)), "bias": jnp.ones(9)}}
    with pytest.raises(ValueError, match=r"state_proj/bias has \(8,\) but the model has \(9,\)"):
        manager_lib.restore(tmp_path / "1", params=other, train_state=state)
    with pytest.raises(ValueError, match="opt_state/1/0/count") as error:
        manager_lib.restore(
            tmp_path / "1", params=params, train_state=state | {"opt_state": optax.sgd(0.1).init(params)}
        )
    assert "\n" not in str(error.value)
    manager.close()


def test_resume_without_a_checkpoint_starts_afresh(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")
    (tmp_path / "3.orbax-checkpoint-tmp").mkdir()
    manager, resuming = open_run(tmp_path, resume=True)
    manager.close()
    assert not resuming
    assert not (tmp_path / "3.orbax-checkpoint-tmp").exists()


_KILLED = """
import sys, time
import jax.numpy as jnp
import orbax.checkpoint as ocp
from openpi.checkpoints import manager as manager_lib
manager, _ = manager_lib.open_run(sys.argv[1], overwrite=False, resume=False, keep_period=None)
params = {"a": {"kernel": jnp.ones((3000, 3000))}}
state = {"step": jnp.asarray(1), "params": {}, "opt_state": ()}
manager_lib.save(manager, 1, params=params, train_state=state, config="{}")
manager.wait_until_finished()
print("saved 1", flush=True)
for step in range(2, 1000):
    manager_lib.save(manager, step, params=params, train_state=state, config="{}")
"""


def test_killed_while_saving(tmp_path):
    """SIGKILL in the middle of saves: a whole checkpoint remains, and the half one doesn't count."""
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", _KILLED, run], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "saved 1\n"
    deadline = time.monotonic() + 30
    while not any(layout.TEMPORARY_INFIX in path.name for path in run.iterdir()):
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    step = layout.find_step_dir(run)
    np.testing.assert_array_equal(restore.restore_params(step)["a"]["kernel"], np.ones((3000, 3000)))
    manager, resuming = open_run(run, resume=True)
    assert resuming
    assert not any(layout.TEMPORARY_INFIX in path.name for path in run.iterdir())
    manager.close()
