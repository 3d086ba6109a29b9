import jax
import numpy as np
import pytest

from openpi.serve import replay_noise
from openpi.server import record_file

_SHAPE = (4, 3)


def _record(drawn):
    return record_file.Record(session="s", request=1, arrived=0.0, drawn=drawn, message=b"", reply=b"")


def _noise(noise, drawn, index=0, recorded_shape=_SHAPE, observation=None):
    asked, how = noise.options(index, _record(drawn), recorded_shape, observation or {"state": 1})
    return asked.get("openpi", {}).get("noise"), how


def test_it_is_that_which_a_policy_drew():
    rng, drawn = jax.random.key(0), []
    for _ in range(7):
        rng, key = jax.random.split(rng)
        drawn.append(np.asarray(jax.random.normal(key, _SHAPE)))
    noise = replay_noise.Noise(_SHAPE)
    for number in (0, 1, 2, 6, 3, 0):  # in any order, some lost
        found, how = _noise(noise, number)
        assert how == replay_noise.RECORDED
        np.testing.assert_array_equal(found, drawn[number])


@pytest.mark.parametrize(("drawn", "recorded_shape"), [(None, _SHAPE), (0, (5, 3)), (0, None)])
def test_where_it_is_not_known_each_record_has_its_own(drawn, recorded_shape):
    first, how = _noise(replay_noise.Noise(_SHAPE), drawn, 0, recorded_shape)
    assert how == replay_noise.SEEDED
    assert (first.shape, first.dtype) == (_SHAPE, np.float32)
    again, other = (_noise(replay_noise.Noise(_SHAPE), drawn, index, recorded_shape)[0] for index in (0, 1))
    np.testing.assert_array_equal(again, first)
    assert np.abs(first - other).max() > 0.1


def test_options_stay_but_for_the_deadline():
    observation = {"state": 1, "openpi": {"num_steps": 3, "deadline_ms": 5.0}}
    asked, _ = replay_noise.Noise(_SHAPE).options(0, _record(0), _SHAPE, observation)
    assert sorted(asked["openpi"]) == ["noise", "num_steps"]
    assert "deadline_ms" in observation["openpi"]
    own = {"noise": np.ones(_SHAPE)}
    asked, how = replay_noise.Noise(_SHAPE).options(0, _record(0), _SHAPE, {"openpi": own})
    assert (how, asked["openpi"]) == (replay_noise.GIVEN, own)


def test_who_takes_none_gets_none():
    asked, how = replay_noise.Noise(None).options(0, _record(0), _SHAPE, {"state": 1, "openpi": {"deadline_ms": 1.0}})
    assert (asked, how) == ({"state": 1}, replay_noise.DRAWN)
    several = {"state": 1, "openpi": {"candidates": 4}}
    assert replay_noise.Noise(_SHAPE).options(0, _record(0), _SHAPE, several) == (several, replay_noise.DRAWN)


@pytest.mark.parametrize("drawn", [-1, 10**9])
def test_a_number_that_no_server_reaches_is_refused(drawn):
    with pytest.raises(ValueError, match="it must be 0 to 100000000"):
        _noise(replay_noise.Noise(_SHAPE), drawn)
