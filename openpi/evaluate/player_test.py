import dataclasses
import json

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.evaluate import player
from openpi.runtime import subscriber

_PLAN = player.Plan(policy="p", seed=0, split="test", replan_steps=None, render=False)


class _Stand(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["state"]}


class _Explode(_Stand):
    """Sends nonsense at step 3."""

    def reset(self):
        self.step = 0

    def infer(self, obs):
        self.step += 1
        return {"actions": np.full(14, np.nan) if self.step == 3 else obs["state"]}


class _Chunks(base_policy.BasePolicy):
    """Chunks of standing still, moved by the noise of the request; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def infer(self, obs):
        self.asked.append(obs)
        return {"actions": np.tile(obs["state"], (10, 1)) + 0.01 * obs["openpi"]["noise"]}


class _Count(subscriber.Subscriber):
    def __init__(self):
        self.calls = []

    def on_episode_start(self):
        self.calls.append("start")

    def on_step(self, observation, action):
        self.calls.append("step")

    def on_episode_end(self):
        self.calls.append("end")


def _untimed(episode):
    return dataclasses.replace(episode, seconds=0.0)


def test_an_episode_is_the_same_whatever_was_played_before():
    with player.Player(_PLAN, _Stand()) as one, player.Player(_PLAN, _Stand()) as other:
        forth = [_untimed(one.play("reach", number)) for number in (0, 1, 2)]
        back = [_untimed(other.play("reach", number)) for number in (2, 0, 1, 0)]
    assert forth == [back[1], back[2], back[0]]
    assert back[3] == back[1]
    assert len({episode.distance for episode in forth}) == 3
    assert all(e.complete and not e.success and e.steps == 25 and e.distance > 0.05 for e in forth)
    with player.Player(dataclasses.replace(_PLAN, seed=1), _Stand()) as seeded:
        assert seeded.play("reach", 0).distance != forth[0].distance


def test_broken_physics_is_a_failure_and_the_next_episode_goes_on():
    count = _Count()
    with player.Player(_PLAN, _Explode()) as one:
        broken = one.play("reach", 0, [count])
    assert (broken.complete, broken.success, broken.steps, broken.distance) == (False, False, 3, None)
    assert count.calls == ["start", "step", "step", "step", "end"]
    with player.Player(_PLAN, _Stand()) as one, player.Player(_PLAN, _Explode()) as bad:
        bad.play("reach", 0)
        assert bad.play("reach", 1).steps == 3
        assert one.play("reach", 1).complete


def test_requests_bring_noise_of_their_episode_and_come_when_a_chunk_is_played():
    plan = dataclasses.replace(_PLAN, replan_steps=10, noise_shape=(10, 14))
    first, second = _Chunks(), _Chunks()
    with player.Player(plan, first) as one, player.Player(plan, second) as other:
        one.play("reach", 0)
        other.play("reach", 1)
        other.play("reach", 0)
    assert len(first.asked) == 3  # 25 steps
    assert len(second.asked) == 6
    for before, after in zip(first.asked, second.asked[3:], strict=True):
        np.testing.assert_array_equal(before["openpi"]["noise"], after["openpi"]["noise"])
        np.testing.assert_array_equal(before["state"], after["state"])
    assert not np.array_equal(first.asked[0]["openpi"]["noise"], second.asked[0]["openpi"]["noise"])


@pytest.mark.parametrize("black", [False, True])
def test_films_the_first_episodes_and_may_show_the_policy_nothing(tmp_path, black):
    seen = []

    class Look(_Stand):
        def infer(self, obs):
            seen.append(obs["images"]["cam_high"].any())
            return super().infer(obs)

    plan = dataclasses.replace(_PLAN, render=True, films=str(tmp_path / "films"), num_films=1, black_images=black)
    with player.Player(plan, Look()) as one:
        one.play("reach", 1)
        one.play("reach", 0)
    assert [path.name for path in (tmp_path / "films").iterdir()] == ["reach_0000.mp4"]
    assert set(seen) == {not black}


def test_a_plan_comes_back_from_json():
    plan = dataclasses.replace(_PLAN, noise_shape=(10, 14))
    again = player.Plan(**json.loads(json.dumps(dataclasses.asdict(plan))))
    assert tuple(again.noise_shape) == plan.noise_shape
    assert dataclasses.replace(again, noise_shape=plan.noise_shape) == plan


def test_an_unknown_task():
    with player.Player(_PLAN, _Stand()) as one, pytest.raises(ValueError, match="task 'dance' is none of"):
        one.play("dance", 0)
