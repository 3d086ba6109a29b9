"""Published checkpoints, from a raw observation of a robot to its actions, against recorded numbers.

The reference reads all parameters as bfloat16 and computes in float32; 10 denoising steps from given noise.
"""

import pathlib

import numpy as np
import pytest

from openpi.config import build_transforms, robots, schema
from openpi.normalization import norm_stats
from openpi.policies import create
from openpi.tokenizers import fast_codec_files, stand_in_codec
from openpi.transforms import golden_cases

TESTDATA = pathlib.Path(__file__).parent / "testdata"
_LANGUAGE = {"width": 16, "depth": 2, "mlp_dim": 32, "num_heads": 2, "num_kv_heads": 1, "head_dim": 8}


def _config(model, robot, asset_id, **sizes):
    config = schema.base_config("golden", model, robot)
    model.update(dtype="float32", vocab_size=2000, remat="none", image_keys=robots.image_keys(robot), **sizes)
    model.siglip.update(width=16, depth=1, mlp_dim=24, num_heads=2, patch_size=14)
    model.language.update(_LANGUAGE)
    if "expert" in model:
        model.expert.update(_LANGUAGE, width=12, mlp_dim=24)
    config.tokenizer.update(path="small", vocab_size=2000)
    config.data.asset_id = asset_id
    config.policy_metadata = {"reset_pose": (0, -1.5)}
    return config


# Name → configuration, prompt of the observation, the server's default prompt.
_CASES = {
    "pi0_aloha": (
        _config(schema.pi0_model(), robots.aloha(), "trossen", action_dim=16, action_horizon=5, max_token_len=16),
        {},
        "fold the towel",
    ),
    "pi05_libero": (
        _config(
            schema.pi05_model(),
            robots.libero("pi05"),
            "org/libero",
            action_dim=10,
            action_horizon=4,
            max_token_len=64,
        ),
        {"prompt": "put the bowl on the plate"},
        None,
    ),
    "pi0_fast_droid": (
        _config(
            schema.pi0_fast_model(),
            robots.droid("pi0_fast"),
            "droid",
            action_dim=8,
            action_horizon=3,
            max_token_len=70,
        ),
        {"prompt": "Open the Drawer"},
        None,
    ),
}


@pytest.fixture
def codec(monkeypatch, tmp_path):
    """The reference's recording has a stand-in for the learned action codec, which is in no file."""
    monkeypatch.setattr(fast_codec_files, "load", lambda _: stand_in_codec.StandInCodec())
    for config, _, _ in _CASES.values():
        config.tokenizer.codec = str(tmp_path)


def _golden(name):
    """The parts of a recording: a nested dict."""
    tree = {}
    with np.load(TESTDATA / name / "data.npz", allow_pickle=False) as arrays:
        for path in arrays.files:
            node = tree
            *parents, last = path.split("|")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[last] = arrays[path]
    return tree


@pytest.mark.parametrize("name", _CASES)
def test_the_model_gets_what_the_reference_gave_it(name, codec):
    config, asked, default_prompt = _CASES[name]
    golden = _golden(name)
    stats = norm_stats.load(TESTDATA / name / "checkpoint/assets" / config.data.asset_id)
    transform = build_transforms.build(config).inference_input(stats, default_prompt)
    golden_cases.assert_equal(transform({**golden["obs"], **asked}), golden["model_input"])


@pytest.mark.parametrize("engine", create.ENGINES)
@pytest.mark.parametrize("name", _CASES)
def test_observations_become_the_published_actions(name, engine, codec):
    config, asked, default_prompt = _CASES[name]
    golden = _golden(name)
    policy = create.create_policy(
        config, TESTDATA / name / "checkpoint", default_prompt=default_prompt, params_dtype="bfloat16", engine=engine
    )
    result = policy.infer({**golden["obs"], **asked}, noise=golden.get("noise"))
    np.testing.assert_allclose(result["actions"], golden["out"]["actions"], rtol=1e-3, atol=1e-3)
    assert result["actions"].dtype == golden["out"]["actions"].dtype
    assert list(result) == ["actions", "policy_timing"]
    assert policy.metadata == {"reset_pose": (0, -1.5), "robot": config.data.robot.to_dict()}


def test_tokens_of_a_batch_are_those_of_its_requests(codec):
    config, asked, _ = _CASES["pi0_fast_droid"]
    policy = create.create_policy(config, TESTDATA / "pi0_fast_droid/checkpoint", params_dtype="bfloat16")
    observations = [
        {**_golden("pi0_fast_droid")["obs"], "prompt": prompt} for prompt in (asked["prompt"], "close it", "go")
    ]
    assert len({policy.group(obs) for obs in observations}) == 1
    assert policy.group({**observations[0], "openpi": {"temperature": 0.5}}) is None
    alone = [policy.infer(obs)["actions"] for obs in observations]
    for result, actions in zip(policy.infer_batch(observations), alone, strict=True):
        np.testing.assert_allclose(result["actions"], actions, atol=1e-5)


def test_tokens_are_drawn_from_weights_of_eight_bits(codec):
    config, asked, _ = _CASES["pi0_fast_droid"]
    policy = create.create_policy(config, TESTDATA / "pi0_fast_droid/checkpoint", quantize="int8")
    golden = _golden("pi0_fast_droid")
    actions = policy.infer({**golden["obs"], **asked})["actions"]
    assert actions.shape == golden["out"]["actions"].shape
    assert np.isfinite(actions).all()
    assert policy._model._plan.embedding.qvalue.dtype == np.int8


@pytest.mark.parametrize(("name", "title"), [("pi05_libero", "pi0.5"), ("pi0_fast_droid", "pi0-FAST")])
def test_a_configuration_of_the_other_kind_is_told_what_the_checkpoint_is(name, title):
    config = _config(
        schema.pi0_model(),
        robots.libero("pi0"),
        _CASES[name][0].data.asset_id,
        action_dim=10,
        action_horizon=4,
        max_token_len=64,
    )
    with pytest.raises(ValueError, match=rf"this is a {title} checkpoint .* but config\.model\.type is 'pi0'"):
        create.create_policy(config, TESTDATA / name / "checkpoint")
