import shutil

import jax
import numpy as np
import pytest

from openpi.policies import create, tiny_checkpoint


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "run"
    tiny_checkpoint.write(path)
    return path


def test_a_checkpoint_alone_is_enough_by_run_or_by_step(run_dir):
    observation = tiny_checkpoint.observation()
    by_run = create.create_policy(None, run_dir).infer(observation)["actions"]
    by_step = create.create_policy(None, run_dir / "7").infer(observation)["actions"]
    np.testing.assert_array_equal(by_run, by_step)
    more_steps = create.create_policy(None, run_dir, num_steps=5).infer(observation)["actions"]
    assert np.abs(more_steps - by_run).max() > 1e-6


def test_the_default_prompt_is_for_observations_without_one(run_dir):
    bare = {key: value for key, value in tiny_checkpoint.observation().items() if key != "prompt"}
    actions = {
        text: create.create_policy(None, run_dir, default_prompt=text).infer(bare)["actions"] for text in ("a", "stop")
    }
    told = create.create_policy(None, run_dir, default_prompt="a").infer({**bare, "prompt": "stop"})["actions"]
    np.testing.assert_array_equal(told, actions["stop"])
    assert np.abs(actions["a"] - actions["stop"]).max() > 0


def test_both_engines_give_the_same_actions(run_dir):
    noise = np.random.default_rng(0).normal(size=(tiny_checkpoint.ACTION_HORIZON, 14))
    for observation in (tiny_checkpoint.observation(), _with_a_wrist(tiny_checkpoint.observation())):
        plain, fused = (
            create.create_policy(None, run_dir, engine=engine).infer(observation, noise)["actions"]
            for engine in ("plain", "fused")
        )
        np.testing.assert_allclose(fused, plain, rtol=0, atol=1e-5 * np.abs(plain).max())
    with pytest.raises(ValueError, match="engine='fast' must be one of fused, plain"):
        create.create_policy(None, run_dir, engine="fast")


@pytest.mark.parametrize(("mode", "bound"), [("int8", 0.02), ("fp8", 0.1), ("int8_dynamic", 0.03)])
def test_weights_of_eight_bits_give_nearly_the_same_actions(run_dir, mode, bound):
    """Alone, as one of several candidates, and going on from a running chunk."""
    observation, none, low = (
        tiny_checkpoint.observation(),
        create.create_policy(None, run_dir),
        create.create_policy(None, run_dir, quantize=mode),
    )
    noise = np.random.default_rng(0).normal(size=(tiny_checkpoint.ACTION_HORIZON, 14))
    running = none.infer(observation, noise)["actions"]
    for options in ({}, {"candidates": 2}, {"rtc": {"remainder": running[2:], "delay": 1, "horizon": 2}}):
        asked = {**observation, "openpi": {"noise": noise, **options}}
        expected, got = (_chunk(policy.infer(asked)) for policy in (none, low))
        moved = np.abs(expected - observation["state"]).max()  # these actions are relative to the state
        assert 1e-5 < np.abs(got - expected).max() / moved < bound
    table = low._model._plan.embedding
    assert table.qvalue.dtype.itemsize == 1


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"quantize": "int4"}, "quantize='int4' must be one of none, int8, fp8, int8_dynamic"),
        ({"quantize": "int8", "engine": "plain"}, "quantize='int8' is of engine='fused' alone, not engine='plain'"),
    ],
)
def test_what_cannot_be_quantised_is_refused(run_dir, given, text):
    with pytest.raises(ValueError, match=text):
        create.create_policy(None, run_dir, **given)


def _chunk(result):
    """What was answered, or of several candidates the first, whichever was chosen."""
    return result.get("openpi", {}).get("candidates", [result["actions"]])[0]


def _with_a_wrist(observation):
    image = np.flip(observation["images"]["cam_high"])
    return {**observation, "images": {**observation["images"], "cam_left_wrist": image}}


@pytest.mark.parametrize(
    ("compute", "asked", "stored"),
    [("bfloat16", None, "bfloat16"), ("float32", None, "float32"), ("float32", "bfloat16", "bfloat16")],
)
def test_parameters_follow_the_compute_type_unless_told(run_dir, compute, asked, stored):
    config = tiny_checkpoint.config()
    config.model.dtype = compute
    policy = create.create_policy(config, run_dir, params_dtype=asked, engine="plain")
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(policy._model._params)} == {stored}


def test_the_untrained_policy_is_another_with_the_same_transforms(run_dir):
    observation, noise = tiny_checkpoint.observation(), np.zeros((tiny_checkpoint.ACTION_HORIZON, 14))
    trained = create.create_policy(None, run_dir).infer(observation, noise)["actions"]
    untrained = [
        create.create_untrained_policy(None, run_dir, seed=seed).infer(observation, noise)["actions"] for seed in (1, 2)
    ]
    assert np.abs(trained - untrained[0]).max() > 1e-4
    assert np.abs(untrained[1] - untrained[0]).max() > 1e-4
    moved = (untrained[0] - observation["state"])[:, :6]
    assert np.abs(moved).max() < 0.5  # The checkpoint's statistics: joints move relative to the state, std 0.01.


def _without(name):
    def damage(step_dir):
        shutil.rmtree(step_dir / name)

    return damage


def _wider(config):
    config.model.action_dim = 15


def _other_asset(config):
    config.data.asset_id = "trossen"


@pytest.mark.parametrize(
    ("damage", "change", "error", "text"),
    [
        (_without("params"), None, FileNotFoundError, "is not a checkpoint"),
        (
            _without("config"),
            None,
            FileNotFoundError,
            r"has no config/config.json; name its configuration with --config",
        ),
        (_without("assets"), None, FileNotFoundError, r"no norm stats for asset 'openpi/aloha_reach' \(it has: none\)"),
        (None, _other_asset, FileNotFoundError, r"asset 'trossen' \(it has: openpi/aloha_reach\)"),
        (None, _wider, ValueError, r"action_in_proj/kernel has \(14, 16\) but the model has \(15, 16\)"),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_said_in_one_line(run_dir, tmp_path, damage, change, error, text):
    step_dir = tmp_path / "run" / "7"
    shutil.copytree(run_dir / "7", step_dir)
    config = None
    if damage:
        damage(step_dir)
    if change:
        config = tiny_checkpoint.config()
        change(config)
    with pytest.raises(error, match=text) as raised:
        create.create_policy(config, step_dir)
    assert "\n" not in str(raised.value)
    assert str(step_dir) in str(raised.value)
