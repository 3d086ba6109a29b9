"""The simulator's process, started for real, with a package of LIBERO's interface in LIBERO's place."""

import os
import pathlib
import signal
import sys

import numpy as np
import pytest

from openpi.robots.libero import environment, libero_package, remote, suites

_NUMPY = str(pathlib.Path(np.__file__).parents[1])  # where this Python's numpy is: the process gets no path of ours


@pytest.fixture
def libero(tmp_path):
    """The folder of the package."""
    return libero_package.write(tmp_path / "clone")


def _open(libero, **options):
    return remote.RemoteSimulator("libero_spatial", python=sys.executable, path=[libero, _NUMPY], **options)


def _action(x):
    return np.array([x, 0, 0, 0, 0, 0, -1.0])


def test_a_suite_is_opened_begun_and_stepped(libero):
    with _open(libero, seed=7) as simulator:
        assert simulator.tasks == ("put the bowl on the plate", "open the drawer")
        seen = simulator.begin(1, 2)
        assert seen.keys() == {
            "agentview_image", "robot0_eye_in_hand_image", "robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos",
        }  # fmt: skip
        assert seen["agentview_image"].shape == (suites.RENDER_SIZE, suites.RENDER_SIZE, 3)
        np.testing.assert_allclose(seen["robot0_eef_pos"], [12.07, 0, 0])  # task, trial and seed
        seen = simulator.begin(0, 1)
        assert seen["agentview_image"].max() == 10
        first, second = simulator.step(_action(0.5)), simulator.step(_action(2.0))
        assert (first.done, second.done) == (False, True)
        np.testing.assert_allclose(second.observation["robot0_eef_pos"][0], 3.57)


def test_what_breaks_in_it_is_told_and_it_goes_on(libero):
    with _open(libero) as simulator:
        simulator.begin(0, 0)
        with pytest.raises(environment.SimulationError, match="ZeroDivisionError: unstable"):
            simulator.step(_action(13))
        with pytest.raises(environment.SimulationError, match="trial 50: the task has 3 starts"):
            simulator.begin(0, 50)
        simulator.begin(0, 1)
        assert not simulator.step(_action(0)).done


def test_a_process_that_ends_is_an_error_of_a_line(libero):
    with _open(libero) as simulator:
        simulator.begin(0, 0)
        with pytest.raises(RuntimeError, match="has ended with exit code 3"):
            simulator.step(_action(99))
    with _open(libero) as simulator:
        os.kill(simulator._process.pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="has ended with exit code -9"):
            simulator.begin(0, 0)


def test_without_libero_it_says_what_to_install(tmp_path):
    with pytest.raises(
        RuntimeError, match=r"No module named 'libero'\): install openpi/robots/libero/requirements.txt"
    ):
        _open(str(tmp_path))
    with pytest.raises(
        RuntimeError, match="has ended with exit code 1: .* install openpi/robots/libero/requirements.txt"
    ):
        remote.RemoteSimulator("libero_spatial", python="/bin/false")
    with pytest.raises(RuntimeError, match="--simulator_python=/nowhere/python cannot be started: No such file"):
        remote.RemoteSimulator("libero_spatial", python="/nowhere/python")


def test_closing_ends_the_process(libero):
    simulator = _open(libero)
    process = simulator._process
    simulator.close()
    simulator.close()
    assert process.poll() == -signal.SIGKILL
