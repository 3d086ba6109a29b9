import numpy as np
import pytest

from openpi.data.lerobot import reader
from openpi.sims.aloha import environment, record


def test_the_recorded_dataset_reads_back_and_does_not_depend_on_threads(tmp_path):
    for name, threads in (("one", 1), ("two", 2)):
        record.generate(tmp_path / name, num_episodes=3, seed=4, num_threads=threads, progress=False)
    one, two = (reader.LeRobotDataset(tmp_path / name) for name in ("one", "two"))
    assert len(one) == len(two) == 3 * record.RECORDED_STEPS
    assert one.fps == environment.POLICY_HZ
    for i in (0, record.RECORDED_STEPS, len(one) - 1):
        a, b = one[i], two[i]
        assert a["task"] == environment.PROMPT
        assert a["observation.images.cam_high"].shape == (3, 224, 224)
        for key in ("observation.images.cam_high", "observation.state", "action"):
            np.testing.assert_array_equal(a[key], b[key])
    red, green, _ = one[0]["observation.images.cam_high"].astype(int)
    assert ((red > 150) & (green < 80)).sum() > 300
    assert not np.array_equal(one[0]["action"], one[record.RECORDED_STEPS]["action"])
    # The last frame is at the goal: the arm has arrived where its targets are.
    np.testing.assert_allclose(one[-1 % len(one)]["observation.state"], one[-1 % len(one)]["action"], atol=0.03)


def test_nothing_is_left_behind_when_recording_fails(tmp_path, monkeypatch):
    def broken(environment, episode):
        raise RuntimeError(f"episode {episode} broke")

    monkeypatch.setattr(record, "demonstrate", broken)
    with pytest.raises(RuntimeError, match="episode 0 broke"):
        record.generate(tmp_path / "dataset", num_episodes=3, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_no_episodes_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="num_episodes=0"):
        record.generate(tmp_path / "dataset", num_episodes=0)
