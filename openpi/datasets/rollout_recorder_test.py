"""What is recorded of real rollouts in the simulated reach task, a person (the scripted expert) taking over halfway."""

import numpy as np
import pytest

from openpi.client import base_policy
from openpi.data.lerobot import reader
from openpi.datasets import rollout_recorder
from openpi.normalization import norm_stats
from openpi.runtime import agent, environment, policy_agent, runtime, takeover_agent
from openpi.sims.aloha import environment as aloha
from openpi.sims.aloha import tasks
from openpi.testing import program

_STEPS, _TAKES_OVER = 25, 5


class _Expert(agent.Agent):
    """The person: knows where the cube is."""

    def __init__(self, task):
        self._task = task

    def reset(self):
        self._targets = self._task.scene.joints()

    def get_action(self, observation):
        self._targets = self._task.task.expert(self._task.scene, self._targets)
        return {"actions": self._targets}


class _Stand(base_policy.BasePolicy):
    def infer(self, obs):
        return {"actions": obs["state"], "policy_timing": {"infer_ms": 1.0}}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Three episodes: the person takes over in all but the first, which so fails."""
    root = tmp_path_factory.mktemp("recorded") / "rollouts"
    task = tasks.make("reach", seed=1, split="train", height=56, width=56)
    episode, step = -1, 0

    class _Clock(_Stand):
        def reset(self):
            nonlocal episode, step
            episode, step = episode + 1, 0

    def has_taken_over():
        nonlocal step
        step += 1
        return episode > 0 and step > _TAKES_OVER

    policy = policy_agent.PolicyAgent(_Clock())
    both = takeover_agent.TakeoverAgent(policy, _Expert(task), has_taken_over)
    with rollout_recorder.RolloutRecorder(
        root, aloha.POLICY_HZ, robot_type="aloha", succeeded=task.success
    ) as recorder:
        runtime.Runtime(task, both, [recorder], num_episodes=3).run()
    task.close()
    assert recorder.num_recorded == 3
    return root


def test_it_reads_back(recorded):
    dataset = reader.LeRobotDataset(recorded, check_videos=True)
    assert (len(dataset), dataset.fps, dataset.info.robot_type) == (3 * _STEPS, aloha.POLICY_HZ, "aloha")
    own = set(dataset.features) - {"timestamp", "frame_index", "episode_index", "index", "task_index"}
    assert own == {
        "observation.state", "observation.images.cam_high", "action", "intervention", "next.done", "next.success",
    }  # fmt: skip
    rows = [dataset[row] for row in range(len(dataset))]
    assert {row["task"] for row in rows} == {"reach the cube"}
    marks = np.array([row["intervention"] for row in rows]).reshape(3, _STEPS)
    assert marks.sum(axis=1).tolist() == [0, _STEPS - _TAKES_OVER, _STEPS - _TAKES_OVER]
    assert not marks[:, :_TAKES_OVER].any()
    done = np.array([row["next.done"] for row in rows]).reshape(3, _STEPS)
    assert done[:, -1].all() and not done[:, :-1].any()
    success = np.array([row["next.success"] for row in rows]).reshape(3, _STEPS)
    assert success[:, -1].tolist() == [False, True, True] and not success[:, :-1].any()
    # Who stands asks for what is; the person's targets lead the arm.
    np.testing.assert_array_equal(rows[0]["action"], rows[0]["observation.state"])
    assert (
        np.abs(rows[_STEPS + _TAKES_OVER + 3]["action"] - rows[_STEPS + _TAKES_OVER + 3]["observation.state"]).max()
        > 0.02
    )
    red, green, _ = rows[0]["observation.images.cam_high"].astype(int)
    assert rows[0]["observation.images.cam_high"].shape == (3, 56, 56)
    assert ((red > 120) & (green < 90)).sum() > 10  # the cube


def test_statistics_for_training_can_be_measured(recorded, tmp_path):
    done = program.run(
        "openpi/norm_stats",
        "--config=experiments/aloha.py",
        "--config.data.generator=",
        f"--config.data.root={recorded}",
        cwd=tmp_path,
        JAX_PLATFORMS="cpu",
        OPENPI_DATA_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == 0, done.stderr
    assert f"\n{3 * _STEPS} samples\n" in done.stdout
    (path,) = (tmp_path / "assets").rglob("norm_stats.json")
    assert np.abs(norm_stats.load(path.parent)["state"].mean).max() > 0.5


class _Line(environment.Environment):
    """A point on a line, at its goal at 3; an odd picture size, and a scalar."""

    def reset(self):
        self.position = 0.0

    def is_episode_complete(self):
        return self.position >= 3

    def get_observation(self):
        image = np.full((5, 6, 3), 10 * self.position, np.uint8)
        return {
            "observation/image": image,
            "observation/state": np.array([self.position]),
            "contact": np.int64(self.position),
            "prompt": "go",
            "openpi": {"rtc": {}},
        }

    def apply_action(self, action):
        self.position += float(action["actions"][0])


class _Step(base_policy.BasePolicy):
    """Goes on by one; in call number `fails_at`, `happens` does."""

    def __init__(self, fails_at=None, happens=None):
        self.calls, self.fails_at, self.happens = 0, fails_at, happens

    def infer(self, obs):
        self.calls += 1
        if self.calls == self.fails_at:
            self.happens()
        return {"actions": np.ones(2)}


def _drive(recorder, policy=None, num_episodes=1):
    runtime.Runtime(_Line(), policy_agent.PolicyAgent(policy or _Step()), [recorder], num_episodes=num_episodes).run()


def _raise(error):
    raise error


def test_names_kinds_and_a_recording_that_is_gone_on_with(tmp_path):
    for _ in range(2):
        with rollout_recorder.RolloutRecorder(tmp_path / "data", 10, names={"action": ["x", "y"]}) as recorder:
            _drive(recorder)
    dataset = reader.LeRobotDataset(tmp_path / "data")
    assert len(dataset) == 6
    features = {key: (feature.dtype, feature.shape, feature.names) for key, feature in dataset.features.items()}
    assert features["observation.images.image"][:2] == ("image", (5, 6, 3))  # no video has odd sizes
    assert features["observation.state"] == ("float32", (1,), None)
    assert features["observation.contact"] == ("int64", (1,), None)
    assert features["action"] == ("float32", (2,), ["x", "y"])
    assert "next.success" not in features
    assert [dataset[5][key].tolist() for key in ("observation.contact", "next.done")] == [2, True]
    assert dataset[4]["observation.images.image"].max() == 10


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ConnectionError("gone")])
def test_a_broken_off_episode_is_not_saved_and_earlier_ones_are(tmp_path, error):
    with rollout_recorder.RolloutRecorder(tmp_path / "data", 10) as recorder:
        with pytest.raises(type(error)):
            _drive(recorder, _Step(5, lambda: _raise(error)), num_episodes=3)
        assert len(reader.LeRobotDataset(tmp_path / "data")) == 3
        try:
            raise RuntimeError("another matter, which is being handled")
        except RuntimeError:
            _drive(recorder)
    assert len(reader.LeRobotDataset(tmp_path / "data")) == 6


def test_episodes_are_discarded_or_not_kept(tmp_path):
    answers = iter([True, False, True])
    with rollout_recorder.RolloutRecorder(tmp_path / "data", 10, keep=lambda: next(answers)) as recorder:
        _drive(recorder, num_episodes=2)
        _drive(recorder, _Step(2, recorder.discard_episode))
        assert recorder.num_recorded == 1
        _drive(recorder)
    assert reader.LeRobotDataset(tmp_path / "data").info.total_episodes == 2


def test_names_that_are_not_as_many(tmp_path):
    recorder = rollout_recorder.RolloutRecorder(tmp_path / "data", 10, names={"action": ["x"]})
    with recorder, pytest.raises(ValueError, match=r"names has 1 names for 'action', whose shape is \[2\]"):
        _drive(recorder)


def test_an_instruction_is_needed_and_stays(tmp_path):
    line = _Line()
    with rollout_recorder.RolloutRecorder(tmp_path / "data", 10) as recorder:
        recorder.on_episode_start()
        with pytest.raises(ValueError, match="the prompt is None"):
            recorder.on_step({}, {"actions": np.ones(2)})
        line.reset()
        recorder.on_step(line.get_observation(), {"actions": np.ones(2)})
        with pytest.raises(ValueError, match="the prompt is 'stop', after 'go'"):
            recorder.on_step({**line.get_observation(), "prompt": "stop"}, {"actions": np.ones(2)})


def test_what_the_encoder_finds_wrong_stops_the_rollout(tmp_path):
    class _Shrinks(_Line):
        def get_observation(self):
            seen = super().get_observation()
            return {**seen, "observation/state": np.ones(2)} if self.position > 0 else seen

    with rollout_recorder.RolloutRecorder(tmp_path / "data", 10) as recorder:
        loop = runtime.Runtime(_Shrinks(), policy_agent.PolicyAgent(_Step()), [recorder])
        with pytest.raises(ValueError, match=r"'observation.state' is float32 \[2\], expected float32 \[1\]"):
            loop.run()
    assert recorder.num_recorded == 0
