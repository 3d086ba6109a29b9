import sys

import numpy as np
import pytest

from openpi.sims.aloha import camera, reach, tasks
from openpi.sims.aloha import environment as environment_lib


def _drive(environment, episode):
    environment.reset(episode=episode)
    targets, observations = environment.scene.joints(), []
    while not environment.is_episode_complete():
        observations.append(environment.get_observation())
        targets = environment.task.expert(environment.scene, targets)
        environment.apply_action({"actions": targets})
    return observations


def test_an_episode_is_repeatable_and_shows_the_cube():
    environment = tasks.make("reach", seed=5)
    first = _drive(environment, 2)
    assert environment.success() and environment.distance() < 0.01
    _drive(environment, 0)
    second = _drive(environment, 2)
    environment.close()

    assert len(first) == reach.TASK.episode_steps
    assert first[0]["prompt"] == "reach the cube"
    for a, b in zip(first, second, strict=True):
        assert a["state"].dtype == np.float32 and a["state"].shape == (14,)
        np.testing.assert_array_equal(a["state"], b["state"])
        image = a["images"]["cam_high"]
        assert image.dtype == np.uint8 and image.shape == (3, 224, 224)
        np.testing.assert_array_equal(image, b["images"]["cam_high"])
        red, green, blue = image.astype(int)
        cube = (red > 150) & (green < 60) & (blue < 60)
        assert 300 < cube.sum() < 2000  # all along, also under the gripper


@pytest.mark.parametrize("corner", [(0.0, 0.4), (0.0, 0.6), (0.2, 0.4), (0.2, 0.6)])
def test_the_whole_range_is_in_view(corner):
    environment = tasks.make("reach")
    environment.reset()
    environment.scene.reset(environment_lib.HOME, np.array([*corner, 0.02]))
    red, green, _ = environment.get_observation()["images"]["cam_high"].astype(int)
    environment.close()
    rows, columns = np.nonzero((red > 150) & (green < 60))
    assert rows.min() > 0 and rows.max() < 223 and columns.min() > 0 and columns.max() < 223


def test_episodes_seeds_and_splits_differ_and_resets_count_on():
    cubes = {}
    for split in ("train", "test"):
        for seed in (0, 1):
            environment = tasks.make("reach", seed=seed, split=split, render=False)
            for episode in range(3):
                environment.reset()
                cubes[split, seed, episode] = environment.scene.cube_position()
                assert np.all(cubes[split, seed, episode][:2] >= [0, 0.4])
                assert np.all(cubes[split, seed, episode][:2] <= [0.2, 0.6])
            environment.reset(episode=1)
            np.testing.assert_array_equal(environment.scene.cube_position(), cubes[split, seed, 1])
            assert "images" not in environment.get_observation()
    assert len({tuple(cube) for cube in cubes.values()}) == 12


def test_standing_still_fails():
    environment = tasks.make("reach", render=False)
    environment.reset()
    assert environment.distance() == float("inf")
    while not environment.is_episode_complete():
        assert not environment.success()
        environment.apply_action({"actions": environment_lib.HOME})
    assert environment.distance() > 0.1 and not environment.success()


def test_success_is_judged_for_the_cube_where_it_is_now():
    environment = tasks.make("reach", render=False)
    environment.reset()
    targets = environment.scene.joints()
    for step in range(environment.task.episode_steps):
        targets = environment.task.expert(environment.scene, targets)
        if step == environment.task.episode_steps - 1:
            environment.scene.data.qpos[16] += 0.05  # somebody moves it
        environment.apply_action({"actions": targets})
    assert not environment.success()
    assert environment.distance() == pytest.approx(0.05, abs=0.01)


def test_broken_physics_ends_the_episode_as_a_failure():
    environment = tasks.make("reach", render=False)
    environment.reset()
    environment.apply_action({"actions": np.full(14, np.nan)})
    assert environment.is_episode_complete() and not environment.success()
    assert environment.distance() == float("inf")
    environment.reset()
    assert not environment.is_episode_complete()


def test_a_camera_that_closes_leaves_others_of_its_thread_alone():
    one, other = (tasks.make("reach", height=56, width=56) for _ in range(2))
    one.reset()
    other.reset()
    before = one.get_observation()["images"]["cam_high"]
    other.get_observation()
    one.close()
    after = other.get_observation()["images"]["cam_high"]
    np.testing.assert_array_equal(before, after)
    before = one.get_observation()["images"]["cam_high"]  # opens again
    other.close()
    np.testing.assert_array_equal(before, one.get_observation()["images"]["cam_high"])
    one.close()


def test_bad_arguments_are_errors():
    with pytest.raises(ValueError, match="split 'val' is none of"):
        tasks.make("reach", split="val")
    environment = tasks.make("reach", render=False)
    environment.reset()
    with pytest.raises(ValueError, match=r"shape \(7,\)"):
        environment.apply_action({"actions": np.zeros(7)})


def test_without_egl_physics_works_and_rendering_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco.egl", None)  # importing it now fails
    environment = tasks.make("reach")
    environment.reset()
    environment.apply_action({"actions": environment_lib.HOME})
    assert 0.1 < environment.distance() < 0.5
    with pytest.raises(RuntimeError, match="install the packages libegl1") as error:
        camera.Camera(environment.scene)
    assert "\n" not in str(error.value)
