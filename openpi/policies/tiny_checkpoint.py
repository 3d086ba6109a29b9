"""A real checkpoint of the smallest policy for the simulated reach task: where tests of serving and evaluation start."""

import json
import pathlib

import jax
import numpy as np

from openpi.checkpoints import layout, manager
from openpi.client import robot_observation
from openpi.config import build_model, build_transforms, json_file, load, schema
from openpi.models import model as model_lib

ACTION_HORIZON = 10


def config() -> schema.ConfigDict:
    """The configuration of the reach task with networks of almost no size."""
    tiny = load.load("experiments/aloha.py")
    size = {"width": 16, "depth": 1, "mlp_dim": 16, "num_heads": 1}
    tiny.model.siglip.update(size, patch_size=28)
    tiny.model.language.update(size, num_kv_heads=1, head_dim=8)
    tiny.model.expert.update(size, num_kv_heads=1, head_dim=8)
    tiny.model.update(action_horizon=ACTION_HORIZON, image_size=56)
    tiny.sampling.update(num_steps=2, replan_steps=5)
    return tiny


def observation(seed: int = 0) -> dict:
    """A random observation of its robot, as a client would send it."""
    return robot_observation.make_example(build_transforms.robot_of(config()), np.random.default_rng(seed))


def write(run_dir: pathlib.Path, step: int = 7, *, tiny: schema.ConfigDict | None = None) -> pathlib.Path:
    """Writes a checkpoint of `config()`, or of `tiny`, with random parameters as training would; returns its step folder."""
    tiny = config() if tiny is None else tiny
    robot = build_transforms.robot_of(tiny)
    params = jax.jit(model_lib.init, static_argnums=0)(build_model.build(tiny.model), jax.random.key(7))
    # Deltas of small size, so that the untrained arm stays near where it stands.
    sizes = {"state": (len(robot.state_names), 1.0), "actions": (len(robot.actions), 0.01)}
    stats = {key: {"mean": [0.0] * size, "std": [std] * size} for key, (size, std) in sizes.items()}
    run, _ = manager.open_run(run_dir, overwrite=False, resume=False, keep_period=None)
    manager.save(
        run,
        step,
        params=params,
        train_state={"step": np.asarray(step)},
        config=json_file.dumps(tiny),
        assets={f"{build_transforms.asset_id(tiny)}/norm_stats.json": json.dumps({"norm_stats": stats}).encode()},
    )
    run.close()
    return layout.find_step_dir(run_dir)
