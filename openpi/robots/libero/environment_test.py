import numpy as np
import pytest

from openpi.client import action_chunk_broker, base_policy, robot_description, robot_observation
from openpi.config import robots
from openpi.robots.libero import environment, stand_in, suites
from openpi.runtime import policy_agent, runtime


class _Noted(stand_in.StandIn):
    """Notes what it is told; breaks at step `breaks_at`."""

    def __init__(self, breaks_at=None, far=False):
        self.told, self.breaks_at, self.far = [], breaks_at, far

    def begin(self, task, trial):
        self.told.append((task, trial))
        seen = super().begin(task, trial)
        if self.far:
            self._goal = np.full(3, 1e6)
        return seen

    def step(self, action):
        self.told.append(np.asarray(action))
        if len(self.told) == self.breaks_at:
            raise environment.SimulationError("it blew up")
        return super().step(action)


class _Chunks(base_policy.BasePolicy):
    """Ten steps along x; the chunk's number is the action of y, the step's that of z."""

    def __init__(self):
        self.asked = []

    def infer(self, obs):
        self.asked.append(obs)
        steps = np.arange(10)
        actions = np.stack(
            [np.full(10, 0.1), np.full(10, len(self.asked) / 100), steps / 100, *np.zeros((4, 10))], axis=1
        )
        return {"actions": actions}


def _play(simulator, policy, suite="libero_spatial", episodes=((0, 0),)):
    played = environment.LiberoEnvironment(simulator, suite, episodes)
    broker = action_chunk_broker.ActionChunkBroker(policy, suites.REPLAN_STEPS)
    runtime.Runtime(played, policy_agent.PolicyAgent(broker), num_episodes=len(episodes)).run()
    return played


def test_suites_are_the_published_ones():
    assert suites.MAX_STEPS == {
        "libero_spatial": 220, "libero_object": 280, "libero_goal": 300, "libero_10": 520, "libero_90": 400,
    }  # fmt: skip


@pytest.mark.parametrize("suite", suites.MAX_STEPS)
def test_it_settles_then_the_policy_has_its_steps_and_no_more(suite):
    simulator, policy = _Noted(far=True), _Chunks()
    played = _play(simulator, policy, suite)
    assert (played.steps, played.success, played.broken) == (suites.MAX_STEPS[suite], False, False)
    assert simulator.told[0] == (0, 0)
    settling, acting = np.array(simulator.told[1:11]), np.array(simulator.told[11:])
    np.testing.assert_array_equal(settling, np.tile([0, 0, 0, 0, 0, 0, -1], (10, 1)))
    assert len(acting) == suites.MAX_STEPS[suite]
    # The first five actions of each chunk.
    assert len(policy.asked) == suites.MAX_STEPS[suite] / 5
    np.testing.assert_allclose(acting[:12, 1], np.repeat([0.01, 0.02, 0.03], [5, 5, 2]))
    np.testing.assert_allclose(acting[:12, 2], np.r_[0:5, 0:5, 0:2] / 100)


def test_success_ends_an_episode_and_episodes_come_in_order():
    class _There(base_policy.BasePolicy):
        """Sees the goal itself."""

        def infer(self, obs):
            way = simulator._goal - obs["observation/state"][:3]
            return {"actions": np.tile([*(way / np.linalg.norm(way)), 0, 0, 0, -1], (5, 1))}

    simulator = _Noted()
    played = environment.LiberoEnvironment(simulator, "libero_goal", [(1, 3), (0, 2)])
    agent = policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(_There(), 5))
    runtime.Runtime(played, agent, num_episodes=2).run()
    assert [told for told in simulator.told if isinstance(told, tuple)] == [(1, 3), (0, 2)]
    assert (played.success, played.episode) == (True, (0, 2))
    assert 3 <= played.steps <= 10  # 10 to 20 cm, 2 cm a step


def test_what_the_policy_sees_is_what_its_robot_gives():
    simulator = stand_in.StandIn()
    played = environment.LiberoEnvironment(simulator, "libero_10", [(1, 0)])
    played.reset()
    seen = played.get_observation()
    assert seen["prompt"] == "reach the second point"
    robot = robot_description.from_dict(robots.libero("pi05").to_dict())
    robot_observation.check_observation(robot, seen)
    assert robot.actions == suites.ACTIONS
    np.testing.assert_allclose(seen["observation/state"], [0, 0, 1, np.pi, 0, 0, 0.04, -0.04])


def test_images_are_turned_by_half_a_turn_and_resized():
    corner = np.zeros((256, 256, 3), np.uint8)
    corner[:64, :32] = (200, 10, 10)  # above, left
    seen = {
        "agentview_image": corner,
        "robot0_eye_in_hand_image": corner[:128],
        "robot0_eef_pos": np.zeros(3),
        "robot0_eef_quat": np.array([0.0, 0, 0, 1]),
        "robot0_gripper_qpos": np.zeros(2),
    }
    found = environment.observe(seen)
    image = found["observation/image"]
    assert (image.shape, image.dtype) == ((224, 224, 3), np.uint8)
    rows, columns = np.nonzero(image[..., 0] > 100)
    assert (rows.min(), rows.max()) == (168, 223) and (columns.min(), columns.max()) == (196, 223)  # below, right
    wrist = found["observation/wrist_image"]
    assert wrist.shape == (224, 224, 3) and not wrist[:56].any() and not wrist[168:].any() and wrist[56:168].any()


def test_a_simulation_that_breaks_is_a_failure():
    played = _play(_Noted(breaks_at=15, far=True), _Chunks())
    assert (played.broken, played.success, played.steps) == (True, False, 4)


def test_actions_of_another_robot():
    class _Wide(base_policy.BasePolicy):
        def infer(self, obs):
            return {"actions": np.zeros((10, 8))}

    with pytest.raises(ValueError, match=r"has shape \(8,\), and LIBERO takes 7 numbers"):
        _play(_Noted(), _Wide())
