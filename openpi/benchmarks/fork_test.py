import numpy as np

from openpi.benchmarks import fork


def _chunks(position, count=60):
    policy = fork.ForkPolicy(0)
    return np.stack([policy.infer({"position": np.array(position)})["actions"] for _ in range(count)])


def test_demonstrations_pass_on_both_sides_and_the_nearer_one_more_often():
    chunks = _chunks([0.0, 0.0])
    assert chunks.shape == (60, fork.HORIZON, 2)
    np.testing.assert_allclose(chunks[:, :, 0], np.tile(0.05 * np.arange(1, 13), (60, 1)), atol=0.02)
    sides = np.sign(chunks[:, -1, 1])
    assert 15 < (sides > 0).sum() < 45
    np.testing.assert_allclose(np.abs(chunks[:, -1, 1]), 0.3 * np.sin(0.6 * np.pi), atol=0.02)
    assert (_chunks([0.2, 0.15])[:, -1, 1] > 0).sum() > 36


def _drive(path):
    task = fork.ForkEnvironment(0)
    task.reset()
    while not task.is_episode_complete():
        task.apply_action({"actions": path(task.get_observation()["position"])})
    return task


def test_straight_on_touches_and_around_succeeds():
    straight = _drive(lambda at: np.array([at[0] + 0.05, 0.0]))
    assert straight.touched
    assert not straight.success()
    for side in (1, -1):
        around = _drive(lambda at, side=side: np.array([at[0] + 0.05, side * 0.3 * np.sin(np.pi * (at[0] + 0.05))]))
        assert around.success()


def test_the_robot_is_no_faster_than_it_can_and_has_its_time():
    task = fork.ForkEnvironment(0)
    task.reset()
    before = task.get_observation()["position"]
    task.apply_action({"actions": np.array([1.0, -1.0])})
    np.testing.assert_allclose(task.get_observation()["position"] - before, [0.05, -0.08])
    waiting = _drive(lambda at: at)
    assert not waiting.success()
    assert not waiting.touched


def test_a_chunk_that_is_led_stays_on_its_side():
    policy, at = fork.ForkPolicy(1), np.array([0.05, 0.03])
    forward = 0.05 * np.arange(1, 9)
    for side in (1, -1):
        remainder = np.stack([at[0] + forward, side * 0.3 * np.sin(np.pi * (at[0] + forward))], axis=1)
        rtc = {"remainder": remainder, "delay": 3, "horizon": 4}
        ends = [policy.infer({"position": at, "openpi": {"rtc": rtc}})["actions"][-1, 1] for _ in range(20)]
        assert (np.sign(ends) == side).all()
