import numpy as np
import pytest

from openpi.sims.aloha import motion, tasks
from openpi.tokenizers import paligemma

_ENVIRONMENTS = {}


def _make(name):
    """One environment a task: compiling the scene takes longer than an episode."""
    if name not in _ENVIRONMENTS:
        _ENVIRONMENTS[name] = tasks.make(name, seed=3, render=False)
    return _ENVIRONMENTS[name]


def _drive(environment, episode, *, change=lambda step, targets: targets):
    environment.reset(episode=episode)
    targets, step = environment.scene.joints(), 0
    while not environment.is_episode_complete():
        targets = change(step, environment.task.expert(environment.scene, targets))
        environment.apply_action({"actions": targets})
        step += 1
    return environment.success()


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_expert_succeeds_from_random_starts_well_within_a_demonstration(name):
    environment = _make(name)
    for episode in range(6):
        assert _drive(environment, episode), episode
        assert environment.distance() < 0.015
        environment.reset(episode=episode)
        targets = environment.scene.joints()
        for _ in range(environment.task.demonstration_steps):
            targets = environment.task.expert(environment.scene, targets)
            environment.apply_action({"actions": targets})
        assert environment.distance() <= environment.task.tolerance and not environment.success()  # not yet complete


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_same_episode_runs_the_same(name):
    ends = []
    for environment in (_make(name), tasks.make(name, seed=3, render=False)):
        _drive(environment, 1)
        ends.append(environment.scene.data.qpos.copy())
    np.testing.assert_array_equal(*ends)


def test_tasks_start_the_same():
    for name in tasks.TASKS:
        _make(name).reset(episode=5)
    starts = [_make(name).scene.data.qpos.copy() for name in tasks.TASKS]
    np.testing.assert_array_equal(starts[0], starts[1])
    np.testing.assert_array_equal(starts[0], starts[2])


def _never_close(side):
    def change(step, targets):
        targets[motion.GRIPPER_INDICES[side]] = motion.OPEN
        return targets

    return change


def _never_release(step, targets):
    targets[motion.GRIPPER_INDICES["right"]] = motion.CLOSED if step > 20 else targets[13]
    return targets


def _drop(step, targets):
    environment = _make("pick")
    if step > environment.task.episode_steps - 8:
        targets[motion.GRIPPER_INDICES["right"]] = motion.OPEN
    return targets


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pick", _never_close("right")),
        ("pick", _drop),
        ("transfer", _never_close("left")),
        ("transfer", _never_release),
    ],
)
def test_an_expert_that_is_hindered_fails(name, change):
    environment = _make(name)
    assert not _drive(environment, 0, change=change)
    assert environment.distance() > 0.05


def test_a_cube_that_is_taken_away_is_grasped_again():
    environment = _make("pick")
    environment.reset(episode=0)
    targets = environment.scene.joints()
    for step in range(environment.task.episode_steps):
        if step == 12:  # it fell from the gripper, and lies elsewhere
            environment.scene.data.qpos[16:23] = [0.15, 0.45, 0.02, 1.0, 0.0, 0.0, 0.0]
        targets = environment.task.expert(environment.scene, targets)
        environment.apply_action({"actions": targets})
    assert environment.success()


def test_prompts_tell_the_tasks_apart_in_few_tokens():
    prompts = [prompt for task in tasks.TASKS.values() for prompt in task.prompts]
    assert len(set(prompts)) == len(prompts) == 9
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=16, vocab_size=2000)
    for prompt in prompts:
        assert not tokenizer.tokenize(prompt)[1].all(), prompt  # room is left: nothing was cut off
    for name, task in tasks.TASKS.items():
        assert _make(name).get_observation()["prompt"] == task.prompts[0]


def test_an_unknown_task_is_an_error():
    with pytest.raises(ValueError, match=r"task 'fold' is none of \['pick', 'reach', 'transfer'\]"):
        tasks.make("fold")
