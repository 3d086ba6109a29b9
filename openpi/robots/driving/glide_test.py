import numpy as np
import pytest

from openpi.robots.driving import glide
from openpi.runtime import emergency_stop, pace


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch):
    monkeypatch.setattr(pace.Pace, "wait", lambda self: None)


def _glide(start, goal, command, stop=None, **options):
    stop = stop or emergency_stop.EmergencyStop()
    options = {"hz": 10, "seconds": 0.5, "max_speed": 0.5, **options}
    glide.glide(command, np.array(start), np.array(goal), stop=stop, **options)


def test_it_takes_as_long_as_the_longest_way():
    sent = []
    _glide([0.0, 0.0], [1.0, -0.5], sent.append)
    np.testing.assert_allclose(sent, np.linspace([0.05, -0.025], [1.0, -0.5], 20))


def test_it_takes_no_less_than_it_is_given():
    sent = []
    _glide([0.0], [0.1], sent.append, seconds=1.0)
    np.testing.assert_allclose(sent, np.linspace([0.01], [0.1], 10))
    sent.clear()
    _glide([0.3], [0.3], sent.append, seconds=0)
    assert sent == [[0.3]]


def test_it_ends_on_the_way_when_the_robot_is_stopped():
    sent, stop = [], emergency_stop.EmergencyStop()

    def command(targets):
        sent.append(targets)
        if len(sent) == 3:
            stop.trip("key e was pressed")

    with pytest.raises(emergency_stop.Stopped, match="key e"):
        _glide([0.0], [1.0], command, stop)
    assert len(sent) == 3


@pytest.mark.parametrize(("start", "goal"), [([np.nan], [0.0]), ([0.0], [np.inf])])
def test_nothing_moves_to_or_from_nowhere(start, goal):
    sent = []
    with pytest.raises(ValueError, match="not finite"):
        _glide(start, goal, sent.append)
    assert sent == []
