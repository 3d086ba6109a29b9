import contextlib
import functools

import jax
import numpy as np
import pytest

from openpi.config import build_model, build_transforms
from openpi.models import model
from openpi.policies import fused_sampler, plain_sampler, policy, request_options, tiny_checkpoint

_CONFIG = tiny_checkpoint.config()
_MODEL = build_model.build(_CONFIG.model)
_PARAMS = jax.jit(model.init, static_argnums=0)(_MODEL, jax.random.key(0))


_SAMPLING = request_options.RequestOptions(num_steps=2, temperature=0.0)


@pytest.fixture(params=[plain_sampler.PlainSampler, fused_sampler.FusedSampler])
def make(request):
    """Makes a policy with either sampler."""
    return functools.partial(_policy, request.param)


@contextlib.contextmanager
def compilations():
    """Counts them."""
    told = []
    listen = lambda event, _, **__: told.append(event) if event.endswith("backend_compile_duration") else None
    jax.monitoring.register_event_duration_secs_listener(listen)
    yield told
    jax.monitoring.unregister_event_duration_listener(listen)


def _policy(sampler, params=_PARAMS, sampling=_SAMPLING, **options):
    transforms = build_transforms.build(_CONFIG)
    return policy.Policy(
        _MODEL,
        sampler(_MODEL, params),
        input_transform=transforms.inference_input(None),
        output_transform=transforms.inference_output(None),
        sampling=sampling,
        **options,
    )


def test_result_holds_the_published_keys_only(make):
    result = make().infer(tiny_checkpoint.observation())
    assert list(result) == ["actions", "policy_timing"]
    assert result["actions"].shape == (tiny_checkpoint.ACTION_HORIZON, 14)
    assert list(result["policy_timing"]) == ["infer_ms"]
    assert result["policy_timing"]["infer_ms"] > 0


def test_the_key_is_split_on_every_call_and_starts_as_zero(make):
    observation = tiny_checkpoint.observation()
    one, other = make(), make(rng=jax.random.key(0))
    first, second = (one.infer(observation)["actions"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(other.infer(observation)["actions"], first)
    other_seed = make(rng=jax.random.key(1)).infer(observation)["actions"]
    assert np.abs(first - other_seed).max() > 1e-3

    _, key = jax.random.split(jax.random.key(0))
    noise = jax.random.normal(key, (tiny_checkpoint.ACTION_HORIZON, _MODEL.action_dim))
    np.testing.assert_allclose(one.infer(observation, noise=noise)["actions"], first, atol=1e-5)
    # Given noise moves the key on, too: both have now split three times.
    for _ in range(2):
        other.infer(observation, noise=noise)
    np.testing.assert_array_equal(other.infer(observation)["actions"], one.infer(observation)["actions"])


def test_noise_may_have_a_batch_axis_and_decides_alone(make):
    noise = np.random.default_rng(0).normal(size=(tiny_checkpoint.ACTION_HORIZON, _MODEL.action_dim))
    used, observation = make(), tiny_checkpoint.observation()
    plain = used.infer(observation, noise=noise)["actions"]
    np.testing.assert_array_equal(used.infer(observation, noise=noise[None])["actions"], plain)
    asked = {**observation, "openpi": {"noise": noise}}
    np.testing.assert_array_equal(used.infer(asked)["actions"], plain)
    for bad, text in (
        (noise[:-1], r"noise is float64 \[9, 14\]; the model's actions are numbers \[10, 14\]"),
        (noise.astype(str), "the model's actions are numbers"),
        (noise * np.nan, "noise is not finite"),
    ):
        with pytest.raises(ValueError, match=text):
            used.infer({**observation, "openpi": {"noise": bad}})


def test_a_request_chooses_its_denoising_steps_and_none_of_them_compiles(make):
    noise = np.random.default_rng(0).normal(size=(tiny_checkpoint.ACTION_HORIZON, _MODEL.action_dim))
    used, observation = make(), tiny_checkpoint.observation()
    used.warmup()
    with compilations() as compiled:
        asked = {
            steps: used.infer({**observation, "openpi": {"num_steps": steps, "noise": noise}})["actions"]
            for steps in (1, 2, 10, 50, 100)
        }
    assert not compiled
    np.testing.assert_array_equal(asked[2], used.infer(observation, noise=noise)["actions"])
    for steps, actions in asked.items():
        always = make(sampling=request_options.RequestOptions(num_steps=steps, temperature=0.0))
        np.testing.assert_array_equal(always.infer(observation, noise=noise)["actions"], actions)
    # More steps follow the flow more closely.
    errors = [np.abs(asked[steps] - asked[100]).max() for steps in (1, 2, 10, 50)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-4


def test_a_batch_gives_what_its_requests_get_one_by_one(make):
    noise = np.random.default_rng(0).normal(size=(tiny_checkpoint.ACTION_HORIZON, _MODEL.action_dim))
    observations = [tiny_checkpoint.observation(seed) for seed in range(5)]
    observations[1]["openpi"] = {"noise": noise}
    batched, alone = make(), make()
    for count in (3, 5, 1):
        results = batched.infer_batch(observations[:count])
        for obs, result in zip(observations[:count], results, strict=True):
            assert list(result) == ["actions", "policy_timing"]
            np.testing.assert_allclose(result["actions"], alone.infer(obs)["actions"], atol=1e-5)
    # Rows that only fill a batch take no key, and given noise takes one.
    np.testing.assert_array_equal(batched.infer(observations[0])["actions"], alone.infer(observations[0])["actions"])


def test_one_bad_observation_fails_alone(make):
    good = [tiny_checkpoint.observation(seed) for seed in range(2)]
    bad = [{**good[0], "state": np.ones(13)}, {**good[0], "openpi": {"num_steps": 0}}]
    batched, alone = make(), make()
    results = batched.infer_batch([bad[0], good[0], bad[1], good[1]])
    assert "must have 14 numbers" in str(results[0])
    assert "num_steps=0" in str(results[2])
    for obs, result in zip(good, results[1::2], strict=True):
        np.testing.assert_allclose(result["actions"], alone.infer(obs)["actions"], atol=1e-5)
    assert all(isinstance(result, ValueError) for result in batched.infer_batch(bad))
    assert all(isinstance(result, ValueError) for result in make().infer_batch([bad[0]]))


def test_requests_of_one_group_sample_alike(make):
    used, plain = make(), {"state": 0}
    assert used.group(plain) == used.group({"openpi": {"num_steps": 2}}) != used.group({"openpi": {"num_steps": 3}})
    assert used.group({"openpi": {"noise": np.zeros((tiny_checkpoint.ACTION_HORIZON, 14))}}) == used.group(plain)
    with pytest.raises(ValueError, match="sample differently"):
        used.infer_batch([{**tiny_checkpoint.observation(), "openpi": {"num_steps": n}} for n in (1, 2)])
    for wrong in ({"num_steps": 0}, {"noise": np.zeros(3)}, {"steps": 3}, {"temperature": 1}):
        assert used.group({"openpi": wrong}) is None


def test_all_batch_sizes_are_compiled_before_the_first_client(make):
    jax.clear_caches()
    used = make()
    assert used.warmup(3) == 3  # compiles 1, 2, 4
    with compilations() as compiled:
        for count in (1, 2, 3):
            used.infer_batch([tiny_checkpoint.observation()] * count)
    assert not compiled
    assert 1 <= used.warmup(None) <= policy.MAX_BATCH_SIZE


def test_the_observation_stays_as_it_was(make):
    observation = tiny_checkpoint.observation()
    before = {"state": observation["state"].copy(), "cam_high": observation["images"]["cam_high"].copy()}
    make().infer(observation)
    assert sorted(observation) == ["images", "prompt", "state"]
    np.testing.assert_array_equal(observation["state"], before["state"])
    np.testing.assert_array_equal(observation["images"]["cam_high"], before["cam_high"])


def test_warmup_spares_the_first_client_the_compilation_and_moves_no_key(make):
    jax.clear_caches()
    warm, cold = make(), make()
    with compilations() as compiled:
        warm.warmup()
    assert compiled
    with compilations() as compiled:
        warmed = warm.infer(tiny_checkpoint.observation())["actions"]
    assert not compiled
    np.testing.assert_array_equal(warmed, cold.infer(tiny_checkpoint.observation())["actions"])


@pytest.mark.parametrize("params", [_PARAMS, jax.device_put(_PARAMS, jax.devices()[0])], ids=["free", "bound"])
def test_no_later_call_compiles_wherever_the_parameters_are_bound(make, params):
    jax.clear_caches()
    used, observation = make(params), tiny_checkpoint.observation()
    used.warmup()
    with compilations() as compiled:
        for _ in range(3):
            used.infer(observation)
    assert not compiled


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"state": np.ones(13)}, "'state' of a robot 'aloha' must have 14 numbers, got shape"),
        ({"state": np.full(14, np.nan)}, r"'state' is not finite at positions \[0, 1"),
        ({"images": {}}, "camera 'images/cam_high' is missing"),
        (
            {"images": {"cam_high": np.zeros((3, 8, 8), np.uint8), "cam_knee": np.zeros((3, 8, 8), np.uint8)}},
            "cam_knee",
        ),
        ({"images": {"cam_high": np.zeros((8, 8), np.uint8)}}, "'images/cam_high' must be"),
        (
            {"images": {"cam_high": np.full((3, 8, 8), np.nan, np.float32)}},
            "'images/cam_high' is float32 and not within",
        ),
        ({"state": None}, "'state'"),
        ({"openpi": {"num_steps": 101}}, "num_steps=101 is not between 1 and 100"),
        ({"openpi": {"temperature": 0.5}}, "pi0 draws no tokens: it takes num_steps and noise, no temperature"),
    ],
)
def test_a_bad_observation_is_told_in_one_line_and_the_policy_lives_on(make, change, text):
    used, good = make(), tiny_checkpoint.observation()
    bad = {key: value for key, value in {**good, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=text) as raised:
        used.infer(bad)
    assert "\n" not in str(raised.value)
    assert used.infer(good)["actions"].shape == (tiny_checkpoint.ACTION_HORIZON, 14)


def test_a_model_that_lost_its_numbers_commands_no_robot(make):
    broken = jax.tree.map(lambda leaf: leaf * np.nan, _PARAMS)
    with pytest.raises(RuntimeError, match="not finite"):
        make(broken).infer(tiny_checkpoint.observation())


def test_candidates_are_chunks_from_as_many_noises_and_the_surest_is_answered():
    used, alone = _policy(fused_sampler.FusedSampler), _policy(fused_sampler.FusedSampler)
    observation = tiny_checkpoint.observation()
    result = used.infer({**observation, "openpi": {"candidates": 3, "num_steps": 4}})
    candidates, uncertainty = result["openpi"]["candidates"], result["openpi"]["uncertainty"]
    assert candidates.shape == (3, tiny_checkpoint.ACTION_HORIZON, 14)
    assert len({each.tobytes() for each in candidates}) == len(set(uncertainty)) == 3
    np.testing.assert_array_equal(result["actions"], candidates[np.argmin(uncertainty)])
    first = alone.infer({**observation, "openpi": {"num_steps": 4}})["actions"]
    np.testing.assert_allclose(candidates[0], first, atol=1e-5)
    # One key a request, whatever it asks for.
    np.testing.assert_allclose(used.infer(observation)["actions"], alone.infer(observation)["actions"], atol=1e-5)

    assert used.group({**observation, "openpi": {"candidates": 2}}) is None
    used.warmup(candidates=4)
    with compilations() as compiled:
        for count in (1, 2, 3, 4):
            used.infer({**observation, "openpi": {"candidates": count}})
    assert not compiled
    for wrong, text in (
        ({"candidates": 5}, "candidates=5 are more than the 4 that this policy was made ready for"),
        ({"candidates": 17}, "candidates=17 is not between 1 and 16"),
    ):
        with pytest.raises(ValueError, match=text):
            used.infer({**observation, "openpi": wrong})
    with pytest.raises(ValueError, match="--engine=fused"):
        _policy(plain_sampler.PlainSampler).infer({**observation, "openpi": {"candidates": 2}})


def test_images_that_were_seen_are_not_looked_at_again(monkeypatch):
    looked = []
    see = fused_sampler._see
    monkeypatch.setattr(fused_sampler, "_see", lambda *args: looked.append(args) or see(*args))
    keeps = _policy(functools.partial(fused_sampler.FusedSampler, max_kept=2))
    looks = _policy(fused_sampler.FusedSampler)
    first, second, third = (tiny_checkpoint.observation(seed) for seed in range(3))
    moved = {**first, "state": second["state"]}
    told, seen = {**first, "prompt": "something else"}, 0
    for observation, times in (
        (first, 1),
        (first, 1),
        (moved, 1),  # the state is none of what was seen
        (told, 2),
        (first, 2),
        (third, 3),  # drops told
        (first, 3),
        (told, 4),
    ):
        expected = looks.infer(observation)["actions"]
        before = len(looked)
        np.testing.assert_array_equal(keeps.infer(observation)["actions"], expected)
        seen += len(looked) - before
        assert seen == times
