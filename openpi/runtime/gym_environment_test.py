import sys

import gymnasium
import numpy as np
import pytest

from openpi.client import action_chunk_broker, base_policy
from openpi.runtime import gym_environment, policy_agent, runtime, subscriber


class _Slide(gymnasium.Env):
    """A block on a line: at 1 it is a success; over the edge at -1 the episode ends; `told` is what info says."""

    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    observation_space = gymnasium.spaces.Dict(
        {
            "agent": gymnasium.spaces.Dict({"pos": gymnasium.spaces.Box(-2, 2, (1,), np.float64)}),
            "top": gymnasium.spaces.Box(0, 255, (4, 6, 3), np.uint8),
        }
    )

    def __init__(self, key="is_success", render_mode=None):
        self.key, self.render_mode = key, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-0.5, 0.5)
        return self._look(), {}

    def step(self, action):
        assert self.action_space.dtype == action.dtype
        self.position += float(action[0])
        info = {self.key: self.position >= 1} if self.key else {}
        return self._look(), self.position, abs(self.position) >= 1, False, info

    def render(self):
        return self._look()["top"] if self.render_mode else None

    def _look(self):
        return {
            "agent": {"pos": np.array([self.position])},
            "top": np.full((4, 6, 3), 100 + 50 * self.position, np.uint8),
        }


class _Push(base_policy.BasePolicy):
    """Chunks of two steps of `speed`."""

    def __init__(self, speed, size=1):
        self.speed, self.size, self.seen = speed, size, []

    def infer(self, obs):
        self.seen.append(obs)
        return {"actions": np.full((2, self.size), self.speed)}


class _Outcomes(subscriber.Subscriber):
    def __init__(self, environment):
        self.environment, self.outcomes = environment, []

    def on_episode_start(self):
        pass

    def on_step(self, observation, action):
        pass

    def on_episode_end(self):
        self.outcomes.append(self.environment.outcome)


def _run(environment, policy, **options):
    outcomes = _Outcomes(environment)
    agent = policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(policy, 2))
    runtime.Runtime(environment, agent, [outcomes], **options).run()
    return outcomes.outcomes


_PATHS = {"state": "agent/pos", "images/cam": "top"}


@pytest.mark.parametrize(
    ("speed", "key", "success"),
    [(0.3, "is_success", True), (-0.3, "is_success", False), (0.3, "success", True), (0.3, None, None)],
)
def test_episodes_and_what_came_of_them(speed, key, success):
    policy = _Push(speed)
    environment = gym_environment.GymEnvironment(_Slide(key), observe=_PATHS, prompt="push", seed=3)
    outcomes = _run(environment, policy, num_episodes=3)
    assert [outcome.success for outcome in outcomes] == [success] * 3
    for outcome in outcomes:
        assert outcome.terminated and not outcome.truncated and 2 <= outcome.steps <= 5
        assert (outcome.max_reward >= 1) == (speed > 0)
        n = outcome.steps
        assert outcome.total_reward == pytest.approx(n * outcome.max_reward - abs(speed) * n * (n - 1) / 2)
    first = policy.seen[0]
    assert first["prompt"] == "push"
    assert first["state"].shape == (1,) and first["images"]["cam"].shape == (4, 6, 3)
    # As published: each episode's seed is drawn from a generator of the seed.
    drawn = np.random.default_rng(3)
    assert [outcome.seed for outcome in outcomes] == [drawn.integers(2**32 - 1) for _ in range(3)]


def test_the_same_seed_begins_the_same_episode():
    environment = gym_environment.GymEnvironment(_Slide(), observe=_PATHS)
    starts = []
    for seed in (5, 6, 5):
        environment.reset(seed=seed)
        assert environment.outcome == gym_environment.Outcome(seed)
        starts.append(float(environment.get_observation()["state"][0]))
    assert starts[0] == starts[2] != starts[1]


def test_a_registered_environment_of_gymnasium_with_functions():
    """CartPole, its real physics: a policy that leans against the pole's fall stands until the time limit."""

    class _Lean(base_policy.BasePolicy):
        def infer(self, obs):
            _, speed, angle, turning = obs["state"]
            return {"actions": np.full((1, 1), angle + 0.3 * turning + 0.05 * speed)}

    environment = gym_environment.GymEnvironment(
        gym_environment.make("CartPole-v1", max_episode_steps=60),
        observe=lambda observation: {"state": observation},
        act=lambda actions: int(actions[0] > 0),
    )
    outcomes = []
    for policy in (_Lean(), _Push(1.0)):
        agent = policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(policy, 1))
        watcher = _Outcomes(environment)
        runtime.Runtime(environment, agent, [watcher]).run()
        outcomes += watcher.outcomes
    environment.close()
    stands, falls = outcomes
    assert (stands.steps, stands.truncated, stands.terminated) == (60, True, False)
    assert falls.terminated and not falls.truncated and falls.steps < 60
    assert stands.success is None
    assert stands.total_reward == 60


def test_all_of_an_observation_can_be_the_state():
    environment = gym_environment.GymEnvironment(gym_environment.make("CartPole-v1"), observe={"observation/state": ""})
    environment.reset()
    assert environment.get_observation()["observation"]["state"].shape == (4,)


def test_pictures():
    environment = gym_environment.GymEnvironment(_Slide(render_mode="rgb_array"), observe=_PATHS)
    environment.reset()
    assert environment.render().shape == (4, 6, 3)
    blind = gym_environment.GymEnvironment(_Slide(), observe=_PATHS)
    blind.reset()
    with pytest.raises(RuntimeError, match="NoneType, no picture: make it with render_mode='rgb_array'"):
        blind.render()


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({"state": "agent/speed"}, "'agent/speed', and the environment's observation there has: pos"),
        ({"state": "agent/pos/0"}, "'agent/pos/0', and the environment's observation there is a ndarray"),
    ],
)
def test_paths_that_lead_nowhere(paths, message):
    environment = gym_environment.GymEnvironment(_Slide(), observe=paths)
    environment.reset()
    with pytest.raises(ValueError, match=message):
        environment.get_observation()


def test_actions_of_another_shape():
    environment = gym_environment.GymEnvironment(_Slide(), observe=_PATHS)
    with pytest.raises(ValueError, match=r"actions of shape \(1,\), got \(7,\); give `act` a function"):
        _run(environment, _Push(0.1, size=7))


def test_several_environments_at_once_are_refused():
    several = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(ValueError, match="env is 2 environments in one"):
        gym_environment.GymEnvironment(several, observe={})
    several.close()


class _OldGym:
    """What environments were like before gymnasium."""

    def __init__(self, new_reset):
        self._new_reset = new_reset

    def reset(self, seed=None):
        return (np.zeros(1), {}) if self._new_reset else np.zeros(1)

    def step(self, action):
        return np.zeros(1), 0.0, False, {}


def test_environments_of_the_old_gym_are_refused():
    with pytest.raises(ValueError, match=r"reset returns no \(observation, info\)"):
        gym_environment.GymEnvironment(_OldGym(new_reset=False), observe={}).reset()
    environment = gym_environment.GymEnvironment(_OldGym(new_reset=True), observe={}, act=lambda actions: actions)
    environment.reset()
    with pytest.raises(ValueError, match="step returns 4 values, not 5"):
        environment.apply_action({"actions": np.zeros(1)})


def test_without_gymnasium_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)  # importing it now fails
    with pytest.raises(RuntimeError, match="'CartPole-v1' needs gymnasium: pip install gymnasium"):
        gym_environment.make("CartPole-v1")
