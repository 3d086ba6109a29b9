import functools

import jax
import numpy as np
import pytest

from openpi.client import robot_observation
from openpi.config import build_model, build_transforms, robots
from openpi.models import gemma, model, pi0_fast, real_time_chunking, siglip
from openpi.normalization import norm_stats
from openpi.policies import continuation, fused_sampler, plain_sampler, policy, request_options, tiny_checkpoint

_CONFIG = tiny_checkpoint.config()
_MODEL = build_model.build(_CONFIG.model)
_PARAMS = jax.jit(model.init, static_argnums=0)(_MODEL, jax.random.key(0))
_H = tiny_checkpoint.ACTION_HORIZON
_STATS = {
    "state": norm_stats.NormStats(np.zeros(14), np.ones(14)),
    "actions": norm_stats.NormStats(np.full(14, 0.02), np.full(14, 0.1)),
}


@pytest.fixture(params=[plain_sampler.PlainSampler, fused_sampler.FusedSampler])
def make(request):
    """Makes a policy with either sampler."""
    transforms = build_transforms.build(_CONFIG)
    return functools.partial(
        policy.Policy,
        _MODEL,
        request.param(_MODEL, _PARAMS),
        input_transform=transforms.inference_input(_STATS),
        output_transform=transforms.inference_output(_STATS),
        sampling=request_options.RequestOptions(num_steps=10, temperature=0.0),
    )


def _request(seed, remainder=None, *, delay=3, horizon=2, **more):
    """An observation that asks for a chunk from noise of its own, led by a remainder near the state."""
    rng = np.random.default_rng([7, seed])
    observation = tiny_checkpoint.observation(seed)
    options = {"noise": rng.normal(size=(_H, _MODEL.action_dim))}
    if remainder is not None:
        near = observation["state"] + rng.normal(scale=0.1, size=(remainder, 14))
        options["rtc"] = {"remainder": near, "delay": delay, "horizon": horizon, **more}
    return {**observation, "openpi": options}


def _free(request):
    return {**request, "openpi": {"noise": request["openpi"]["noise"]}}


def _robots():
    return {
        "aloha": robots.aloha(),
        "aloha as it was": robots.aloha(adapt_to_pi=False, delta=False),
        "droid": robots.droid("pi0"),
        "libero": robots.libero("pi0", delta=True),
        "ur5": robots.ur5("pi0"),
    }


@pytest.mark.parametrize("quantiles", [False, True])
@pytest.mark.parametrize("name", _robots())
def test_a_remainder_comes_back_as_it_went_whatever_the_state_is_now(name, quantiles):
    config = tiny_checkpoint.config()
    config.data.robot, config.data.use_quantile_norm = _robots()[name], quantiles
    robot = build_transforms.robot_of(config)
    rng = np.random.default_rng(0)
    widths = {"state": len(robot.state_names), "actions": len(robot.actions)}
    stats = {
        key: norm_stats.NormStats(
            rng.normal(size=n), rng.uniform(0.5, 2, n), -rng.uniform(1, 2, n), rng.uniform(1, 2, n)
        )
        for key, n in widths.items()
    }
    transforms = build_transforms.build(config)
    remainder = rng.uniform(0.2, 0.8, size=(4, len(robot.actions)))
    data = transforms.inference_input(stats)({**robot_observation.make_example(robot, rng), "actions": remainder})
    assert data["actions"].shape == (4, 14)
    back = transforms.inference_output(stats)({"state": data["state"], "actions": data["actions"]})["actions"]
    np.testing.assert_allclose(back, remainder, atol=1e-6)


def test_a_chunk_goes_on_from_the_remainder_and_tells_how_well(make):
    used, asked = make(), _request(0, 7)
    led, free = used.infer(asked), used.infer(_free(asked))
    remainder = asked["openpi"]["rtc"]["remainder"]
    assert list(led) == ["actions", "policy_timing", "openpi"]
    assert "openpi" not in free
    off = np.abs(led["actions"][:3] - remainder[:3])
    assert off.max() < 0.3 * np.abs(free["actions"][:3] - remainder[:3]).max()
    told = led["openpi"]["rtc"]
    assert told == {"delay": 3, "horizon": 2, "deviation": pytest.approx(off.max())}
    stronger = _request(0, 7, beta=10)
    assert used.infer(stronger)["openpi"]["rtc"]["deviation"] < told["deviation"]
    cheap = used.infer(_request(0, 7, method="identity"))
    assert np.abs(cheap["actions"] - led["actions"]).max() > 1e-4


def test_the_free_part_alone_changes_nothing(make):
    asked = _request(0, 7, delay=0, horizon=_H)
    used = make()
    np.testing.assert_allclose(used.infer(asked)["actions"], used.infer(_free(asked))["actions"], atol=1e-6)


def test_a_batch_gives_what_its_requests_get_one_by_one(make):
    asked = [_request(0, 7), _request(1, 10, delay=0, horizon=0, beta=2), _request(2, 3, delay=3, horizon=5)]
    batched, alone = make(), make()
    for request, result in zip(asked, batched.infer_batch(asked), strict=True):
        single = alone.infer(request)
        np.testing.assert_allclose(result["actions"], single["actions"], atol=1e-5)
        assert result["openpi"]["rtc"]["delay"] == single["openpi"]["rtc"]["delay"]


def test_requests_that_are_led_form_groups_of_their_own(make):
    used = make()
    led, free, cheap = _request(0, 7), _request(0), _request(0, 7, method="identity")
    assert used.group(led) == used.group(_request(1, 5, delay=1)) != used.group(free)
    assert used.group(led) != used.group(cheap) != used.group(free)
    with pytest.raises(ValueError, match="sample differently"):
        used.infer_batch([led, free])
    wrong = _request(0, 7, delay=7, horizon=9)
    assert used.group(wrong) is None
    results = used.infer_batch([wrong, led])
    assert isinstance(results[0], ValueError)
    assert results[1]["actions"].shape == (_H, 14)


def test_warm_up_compiles_for_led_requests_too(make):
    used = make()
    assert used.warmup(2, rtc=True) == 2
    told = []
    listen = lambda event, _, **__: told.append(event) if event.endswith("backend_compile_duration") else None
    jax.monitoring.register_event_duration_secs_listener(listen)
    used.infer(_request(0, 7))
    used.infer(_request(0, 7, method="identity"))
    used.infer_batch([_request(0, 5), _request(1, 7)])
    jax.monitoring.unregister_event_duration_listener(listen)
    assert not told


def test_a_policy_may_refuse_and_says_why(make):
    used = make()
    used.refuse_rtc("not here")
    assert used.group(_request(0, 7)) is None
    with pytest.raises(ValueError, match="not here"):
        used.infer(_request(0, 7))
    assert used.infer(_request(0))["actions"].shape == (_H, 14)


_GIVEN = {"remainder": np.zeros((7, 14)), "delay": 3, "horizon": 2}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"delay": 8}, "rtc: delay=8 is more than the 7 steps that remain of the running chunk"),
        ({"delay": 6, "horizon": 5}, "delay=6 is more than the 5 actions .* inference is too slow for this chunk"),
        ({"horizon": 11}, "delay=3, horizon=11 do not lie in a chunk of 10"),
        ({"delay": -1}, "rtc: delay must be a whole number of steps, 0 or more; got -1"),
        ({"horizon": 2.0}, "rtc: horizon must be a whole number of steps, 0 or more; got 2.0"),
        ({"delay": True}, "rtc: delay must be a whole number"),
        ({"beta": float("nan")}, "rtc: beta must be a finite number"),
        ({"beta": "strong"}, "rtc: beta must be a finite number"),
        ({"method": "half"}, "rtc: method='half' is none of full, identity"),
        (
            {"remainder": np.zeros((0, 14))},
            r"rtc: remainder must be numbers \[steps, actions\]; got .* shape \[0, 14\]",
        ),
        ({"remainder": np.zeros(14)}, r"rtc: remainder must be numbers .* shape \[14\]"),
        ({"remainder": "all"}, "rtc: remainder must be numbers"),
        ({"remainder": np.full((7, 14), np.nan)}, "rtc: remainder is not finite"),
        ({"remainder": np.zeros((7, 13))}, r"must be \[horizon, 14\], got shape \(7, 13\)"),
        ({"remainder": np.full((7, 14), 1e300)}, "rtc: remainder is not finite after normalization"),
        ({"remainder": np.zeros((11, 14))}, "rtc: remainder has 11 steps, more than the 10 of a chunk"),
        ({"remain": 3}, "rtc must be a dict of remainder, delay, horizon, and if need be beta, method; got .*remain"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(make, change, text):
    with pytest.raises(ValueError, match=text) as raised:
        make().infer({**tiny_checkpoint.observation(), "openpi": {"rtc": {**_GIVEN, **change}}})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("given", [{"remainder": np.zeros((7, 14)), "delay": 3}, [1, 2, 3]])
def test_all_of_it_must_be_given(given):
    with pytest.raises(ValueError, match="rtc must be a dict of remainder, delay, horizon"):
        continuation.from_dict(given)


def test_a_model_that_draws_tokens_refuses():
    size = {"width": 16, "depth": 1, "mlp_dim": 16, "num_heads": 1}
    config = pi0_fast.Pi0FastConfig(
        siglip=siglip.SiglipConfig(**size, patch_size=(14, 14)),
        language=gemma.GemmaConfig(**size, num_kv_heads=1, head_dim=8),
        vocab_size=11,
        max_token_len=6,
    )
    sampler = plain_sampler.PlainSampler(config, {"none": np.zeros(1)})
    sampling = request_options.RequestOptions(num_steps=10, temperature=0.0)
    used = policy.Policy(config, sampler, input_transform=dict, output_transform=dict, sampling=sampling)
    with pytest.raises(ValueError, match="takes a temperature, but neither num_steps, noise, rtc nor"):
        used.infer({"openpi": {"rtc": _GIVEN}})
    assert used.group({"openpi": {"rtc": _GIVEN}}) is None
    assert used.noise_shape is None


def test_the_weights_of_what_is_not_there_are_zero():
    asked = continuation.from_dict({**_GIVEN, "remainder": np.ones((4, 3)), "delay": 2, "horizon": 1})
    lead = continuation.lead(asked, np.ones((4, 5)), 8)
    np.testing.assert_array_equal(lead.weights[:4, :3], np.tile(real_time_chunking.soft_mask(8, 2, 1)[:4, None], 3))
    assert not lead.weights[4:].any()
    assert not lead.weights[:, 3:].any()
    assert lead.target.dtype == np.float32
