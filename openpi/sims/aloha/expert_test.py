import numpy as np

from openpi.sims.aloha import environment as environment_lib
from openpi.sims.aloha import expert, kinematics


def test_the_expert_succeeds_from_random_starts():
    environment = environment_lib.ReachEnvironment(seed=3, render=False)
    successes = []
    for _ in range(25):
        environment.reset()
        goal = expert.solve_goal(environment.scene)
        targets = environment.scene.joints()
        while not environment.is_episode_complete():
            targets = expert.next_targets(targets, goal)
            environment.apply_action({"actions": targets})
        successes.append(environment.success(tolerance=0.01))
    assert np.mean(successes) >= 0.95


def test_targets_move_only_the_reaching_joints_within_the_speed_limit_and_arrive():
    targets = environment_lib.HOME.copy()
    goal = targets[kinematics.JOINT_INDICES] + [0.4, 1.0, -0.7, 0.8]
    others = np.setdiff1d(np.arange(14), kinematics.JOINT_INDICES)
    for _ in range(20):
        following = expert.next_targets(targets, goal)
        assert np.abs(following - targets).max() <= 0.12 + 1e-9
        np.testing.assert_array_equal(following[others], environment_lib.HOME[others])
        targets = following
    np.testing.assert_allclose(targets[kinematics.JOINT_INDICES], goal, atol=1e-3)


def test_the_goal_is_held():
    goal = environment_lib.HOME[kinematics.JOINT_INDICES]
    np.testing.assert_array_equal(expert.next_targets(environment_lib.HOME, goal), environment_lib.HOME)
