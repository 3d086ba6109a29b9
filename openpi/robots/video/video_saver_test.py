import av
import numpy as np
import pytest

from openpi.client import base_policy
from openpi.robots.video import video_saver
from openpi.runtime import environment, policy_agent, runtime


class _Line(environment.Environment):
    """A point on a line, at its goal at 8."""

    def reset(self):
        self.position = 0

    def is_episode_complete(self):
        return self.position >= 8

    def get_observation(self):
        return {"image": np.full((3, 32, 32), 20 * self.position, np.uint8)}

    def apply_action(self, action):
        self.position += 1


class _Go(base_policy.BasePolicy):
    def __init__(self, fails_at=None):
        self.calls, self.fails_at = 0, fails_at

    def infer(self, obs):
        self.calls += 1
        if self.calls == self.fails_at:
            raise ConnectionError("gone")
        return {"actions": np.ones(1)}


def _film(saver, policy, num_episodes):
    runtime.Runtime(_Line(), policy_agent.PolicyAgent(policy), [saver], num_episodes=num_episodes).run()


def _levels(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(stream)]
        return float(stream.average_rate), np.round(np.array(levels) / 20).astype(int).tolist()


@pytest.mark.parametrize(("subsample", "rate", "frames"), [(1, 50, list(range(8))), (3, 50 / 3, [0, 3, 6])])
def test_each_episode_is_a_film(tmp_path, subsample, rate, frames):
    saver = video_saver.VideoSaver(tmp_path, lambda seen: seen["image"].transpose(1, 2, 0), subsample=subsample)
    _film(saver, _Go(), 2)
    assert saver.path == tmp_path / "out_1.mp4"
    for n in range(2):
        found, levels = _levels(tmp_path / f"out_{n}.mp4")
        assert found == pytest.approx(rate, rel=1e-3)
        assert levels == frames


def test_numbers_go_on_and_a_broken_off_episode_is_filmed_as_far_as_it_went(tmp_path):
    for name in ("out_7.mp4", "out_x.mp4", "other_9.mp4"):
        (tmp_path / name).write_text("")
    saver = video_saver.VideoSaver(tmp_path, lambda seen: seen["image"].transpose(1, 2, 0))
    with pytest.raises(ConnectionError):
        _film(saver, _Go(fails_at=4), 1)
    assert _levels(tmp_path / "out_8.mp4") == (50, [0, 1, 2])


def test_no_subsample_below_one(tmp_path):
    with pytest.raises(ValueError, match="subsample=0 must be at least 1"):
        video_saver.VideoSaver(tmp_path, lambda seen: seen["image"], subsample=0)
