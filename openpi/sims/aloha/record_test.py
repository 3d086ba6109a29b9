import numpy as np
import pytest

from openpi.data.lerobot import reader
from openpi.sims.aloha import environment, record, tasks

_IMAGE = "observation.images.cam_high"


def test_the_recorded_dataset_reads_back_and_does_not_depend_on_threads(tmp_path):
    names = ("reach", "pick", "transfer")
    for name, threads in (("one", 1), ("two", 2)):
        record.generate(tmp_path / name, num_episodes=4, tasks=names, seed=4, num_threads=threads, progress=False)
    one, two = (reader.LeRobotDataset(tmp_path / name) for name in ("one", "two"))
    lengths = [tasks.TASKS[name].demonstration_steps for name in (*names, "reach")]
    starts = np.cumsum([0, *lengths])
    assert len(one) == len(two) == starts[-1]
    assert one.fps == environment.POLICY_HZ
    for name, start, end in zip((*names, "reach"), starts, starts[1:], strict=False):
        for i in (start, end - 1):
            a, b = one[i], two[i]
            assert a["task"] == b["task"] and a["task"] in tasks.TASKS[name].prompts
            assert a[_IMAGE].shape == (3, 224, 224)
            for key in (_IMAGE, "observation.state", "action"):
                np.testing.assert_array_equal(a[key], b[key])
        red, green, _ = one[start][_IMAGE].astype(int)
        assert ((red > 150) & (green < 80)).sum() > 300
        # The last frame is at the goal: the arms have arrived where their targets are, but for grippers around the cube.
        last, arms = one[end - 1], np.setdiff1d(np.arange(14), (6, 13))
        np.testing.assert_allclose(last["observation.state"][arms], last["action"][arms], atol=0.03)
    assert not np.array_equal(one[0]["action"], one[starts[3]]["action"])


def test_failed_demonstrations_are_left_out_until_all_fail(tmp_path, monkeypatch):
    calls = []

    def never_closes(environment, episode):
        calls.append(episode)
        environment.reset(episode=episode)
        return []

    monkeypatch.setattr(record, "demonstrate", never_closes)
    with pytest.raises(RuntimeError, match="failed 20 times in a row, the last time at '"):
        record.generate(tmp_path / "dataset", num_episodes=1, tasks=("pick",), num_threads=1, progress=False)
    assert calls[:20] == list(range(20))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_when_recording_fails(tmp_path, monkeypatch):
    def broken(environment, episode):
        raise RuntimeError(f"episode {episode} broke")

    monkeypatch.setattr(record, "demonstrate", broken)
    with pytest.raises(RuntimeError, match="episode 0 broke"):
        record.generate(tmp_path / "dataset", num_episodes=3, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"num_episodes": 0}, "num_episodes=0"),
        (
            {"num_episodes": 1, "tasks": ()},
            r"tasks=\(\): a dataset needs at least one of \['pick', 'reach', 'transfer'\]",
        ),
        ({"num_episodes": 1, "tasks": ("reach", "fold")}, "task 'fold' is none of"),
    ],
)
def test_bad_arguments_are_errors(tmp_path, arguments, told):
    with pytest.raises(ValueError, match=told):
        record.generate(tmp_path / "dataset", **arguments, progress=False)
    assert list(tmp_path.iterdir()) == []
