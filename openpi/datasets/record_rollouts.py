"""Records what a policy server does in a simulated task, corrected by the scripted expert, as a LeRobot dataset.

    bazel run //openpi/datasets:record_rollouts -- corrections --task=reach --num_episodes=50 --expert_from=8

The policy acts, and from step --expert_from on the expert, from where the policy has brought the arms: frames of the expert are
marked with `intervention`, which is what DAgger (Ross, Gordon, Bagnell 2011) learns from. Without --expert_from the policy acts
alone. Each episode's last frame says whether it was a success. A dataset that is there already grows; its episodes are of the
simulator's split for training, and go on where they ended. Killed, it keeps what was recorded before.
"""

import contextlib
import pathlib

import tqdm
from absl import flags

from openpi.cli import program
from openpi.client import action_chunk_broker
from openpi.data.lerobot import info as lerobot_info
from openpi.datasets import rollout_recorder
from openpi.robots.driving import server_flags
from openpi.runtime import agent, policy_agent, runtime, subscriber, takeover_agent
from openpi.sims.aloha import environment as environment_lib
from openpi.sims.aloha import tasks

_ROBOT = "aloha"

_TASK = flags.DEFINE_enum("task", "reach", sorted(tasks.TASKS), "The simulated task.")
_NUM_EPISODES = flags.DEFINE_integer("num_episodes", 10, "Episodes to record.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the sequence of starts.", lower_bound=0)
_ACTION_HORIZON = flags.DEFINE_integer(
    "action_horizon", 10, "Actions of a chunk that are played before the next is asked for.", lower_bound=1
)
_EXPERT_FROM = flags.DEFINE_integer(
    "expert_from", None, "Step from which on the expert acts; 0: all of them. Never, if not given.", lower_bound=0
)
_ONLY_SUCCESSES = flags.DEFINE_bool("only_successes", False, "Keep the episodes that were a success, and no others.")


class Expert(agent.Agent):
    """The task's scripted expert, who sees the scene itself and begins where the arms are."""

    def __init__(self, environment: environment_lib.AlohaEnvironment) -> None:
        self._environment = environment

    def reset(self) -> None:
        self._targets = self._environment.scene.joints()

    def get_action(self, observation: dict) -> dict:
        self._targets = self._environment.task.expert(self._environment.scene, self._targets)
        return {"actions": self._targets}


class _Steps(subscriber.Subscriber):
    """Counts an episode's steps, and episodes on a bar."""

    def __init__(self, bar: tqdm.tqdm) -> None:
        self.steps, self._bar = 0, bar

    def on_episode_start(self) -> None:
        self.steps = 0

    def on_step(self, observation: dict, action: dict) -> None:
        self.steps += 1

    def on_episode_end(self) -> None:
        self._bar.update()


def main(arguments: list[str]) -> None:
    root = pathlib.Path(arguments[0])
    first = lerobot_info.load(root).total_episodes if (root / lerobot_info.INFO_PATH).exists() else 0
    with contextlib.ExitStack() as stack:
        task = tasks.make(_TASK.value, seed=_SEED.value, split="train")
        stack.callback(task.close)
        server = stack.enter_context(server_flags.connect())
        bar = stack.enter_context(tqdm.tqdm(total=_NUM_EPISODES.value, unit="episode", disable=None))
        steps = _Steps(bar)
        policy = policy_agent.PolicyAgent(action_chunk_broker.ActionChunkBroker(server, _ACTION_HORIZON.value))
        both = takeover_agent.TakeoverAgent(
            policy, Expert(task), lambda: _EXPERT_FROM.value is not None and steps.steps >= _EXPERT_FROM.value
        )
        recorder = stack.enter_context(
            rollout_recorder.RolloutRecorder(
                root,
                environment_lib.POLICY_HZ,
                robot_type=_ROBOT,
                succeeded=task.success,
                keep=lambda: task.success() or not _ONLY_SUCCESSES.value,
            )
        )
        if first:
            task.reset(episode=first - 1)  # the next one goes on
        try:
            runtime.Runtime(task, both, [steps, recorder], num_episodes=_NUM_EPISODES.value).run()
        finally:
            print(f"{recorder.num_recorded} episodes recorded into {root}, after {first}", flush=True)


if __name__ == "__main__":
    program.run(
        main, name="record_rollouts", positional="DATASET", interrupted="ended by Ctrl-C; what was recorded is kept"
    )
