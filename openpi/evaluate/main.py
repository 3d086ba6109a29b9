"""Lets a policy act in the simulated reach task, closed-loop, and says how often it succeeds.

    bazel run //openpi/evaluate -- --host=127.0.0.1 --port=8000

drives a policy server (//openpi/serve), and

    bazel run //openpi/evaluate -- --checkpoint=checkpoints/aloha_reach/default --baselines

loads the policy itself. An episode succeeds when the right fingertip stays within 3 cm (2 cm) of a point 4 cm above the
cube during its last half second; starts are drawn apart from those of the demonstrations. With --baselines the same episodes
are also given to the policy before training, to the policy with a black image, and to the replayed mean demonstration.

The table gives success rates with their 95 % Wilson intervals. --output_dir gets episodes.mp4, episodes.png and results.json.
"""

import contextlib
import pathlib
import sys

from absl import flags
from absl import logging as absl_logging

from openpi.checkpoints import locate
from openpi.checkpoints.assets import compiled_programs
from openpi.client import action_chunk_broker, base_policy, websocket_client_policy
from openpi.config import app, load, schema
from openpi.engine import quantization
from openpi.evaluate import baselines, film, report, rollout
from openpi.policies import create
from openpi.sims.aloha import environment, reach, tasks
from openpi.trainer import lerobot_source

_HOST = flags.DEFINE_string("host", None, "Address of the policy server to drive.")
_PORT = flags.DEFINE_integer("port", 8000, "Port of the policy server.")
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Checkpoint (step or run folder) to drive in this process; with --host, for --baselines only."
)
_QUANTIZE = flags.DEFINE_enum(
    "quantize",
    "none",
    quantization.MODES,
    "Weights of 8 bits for the policy in this process, as //openpi/serve has them.",
)
_EPISODES = flags.DEFINE_integer("episodes", 100, "Episodes for each policy.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Chooses the sequence of starts.", lower_bound=0)
_REPLAN_STEPS = flags.DEFINE_integer(
    "replan_steps",
    None,
    "Actions of a chunk that are played before the next is asked for; the configuration's if not given.",
    lower_bound=1,
)
_BASELINES = flags.DEFINE_bool(
    "baselines", False, "Also run what a policy must beat; needs --checkpoint and its dataset."
)
_VIDEO_EPISODES = flags.DEFINE_integer("video_episodes", 4, "Episodes in the video; 0: none.", lower_bound=0)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "evaluation", "Folder for the video, the picture and results.json.")
_JSON = flags.DEFINE_string("json", None, "File for the results instead of results.json in --output_dir.")
_CONNECT_TIMEOUT = flags.DEFINE_float("connect_timeout", 30.0, "Seconds to wait for the server.", lower_bound=0.0)

# The task that this program knows belongs to this configuration, if neither a checkpoint nor --config says otherwise.
_DEFAULT_CONFIG = "experiments/aloha.py"


def main(config: schema.ConfigDict | None) -> int:
    """Runs the episodes and reports them. Returns the exit code."""
    absl_logging.set_verbosity(absl_logging.WARNING)
    compiled_programs.keep()
    if not _HOST.value and not _CHECKPOINT.value:
        raise ValueError("which policy? give --host=ADDRESS of a server, or --checkpoint=DIR")
    if _HOST.value and _QUANTIZE.value != "none":
        raise ValueError(
            f"--quantize={_QUANTIZE.value} is the server's to choose: give it to //openpi/serve, or leave out --host"
        )
    if _BASELINES.value and not _CHECKPOINT.value:
        raise ValueError("--baselines needs --checkpoint=DIR too: the policy before training is made from it")
    if config is None:
        config = create.load_config(_CHECKPOINT.value) if _CHECKPOINT.value else load.load(_DEFAULT_CONFIG)
    replan_steps = _REPLAN_STEPS.value or config.sampling.replan_steps
    if not _HOST.value and replan_steps > config.model.action_horizon:
        raise ValueError(
            f"--replan_steps={replan_steps} is more than the {config.model.action_horizon} actions of a chunk"
        )
    # What can be missing is looked for before minutes of episodes.
    demonstration = baselines.mean_demonstration(lerobot_source.root_dir(config.data)) if _BASELINES.value else None

    with contextlib.ExitStack() as stack:
        name, policy = _open_policy(config, stack)
        shown = film.Film(_VIDEO_EPISODES.value)
        rows = [report.Row(name, _drive(name, policy, replan_steps, [shown]))]
        if demonstration is not None:
            untrained = create.create_untrained_policy(config, _CHECKPOINT.value)
            rows.append(report.Row("untrained", _drive("untrained", untrained, replan_steps)))
            blind = baselines.BlackImagePolicy(policy)
            rows.append(report.Row("black image", _drive("black image", blind, replan_steps)))
            replay = baselines.ReplayPolicy(demonstration)
            rows.append(report.Row("mean demonstration", _run("mean demonstration", replay, render=False)))

    print(
        f"simulated reach task, {_EPISODES.value} episodes of seed {_SEED.value}, "
        f"replanning every {replan_steps} steps of {1 / environment.POLICY_HZ:g} s"
    )
    print(report.table(rows))
    _write(config, rows, shown, replan_steps)
    return 0


def _open_policy(config: schema.ConfigDict, stack: contextlib.ExitStack) -> tuple[str, base_policy.BasePolicy]:
    """The policy to evaluate, and what to call it."""
    if _HOST.value:
        client = websocket_client_policy.WebsocketClientPolicy(
            _HOST.value, _PORT.value, connect_timeout=_CONNECT_TIMEOUT.value
        )
        return f"server {_HOST.value}:{_PORT.value}", stack.enter_context(client)
    step_dir = locate.find_step_dir(_CHECKPOINT.value)
    policy = create.create_policy(config, step_dir, quantize=_QUANTIZE.value)
    policy.warmup()
    lower = "" if _QUANTIZE.value == "none" else f", {_QUANTIZE.value}"
    return f"checkpoint {step_dir.parent.name}/{step_dir.name}{lower}", policy


def _drive(name: str, policy: base_policy.BasePolicy, replan_steps: int, watchers=()) -> list[rollout.Episode]:
    return _run(name, action_chunk_broker.ActionChunkBroker(policy, replan_steps), watchers=watchers)


def _run(name: str, policy: base_policy.BasePolicy, *, render: bool = True, watchers=()) -> list[rollout.Episode]:
    # The test split: no start that a demonstration had, whatever the seeds.
    with contextlib.closing(tasks.make("reach", seed=_SEED.value, split="test", render=render)) as task:
        return rollout.run(name, policy, task, num_episodes=_EPISODES.value, watchers=watchers)


def _write(config: schema.ConfigDict, rows: list[report.Row], shown: film.Film, replan_steps: int) -> None:
    folder = pathlib.Path(_OUTPUT_DIR.value)
    results = pathlib.Path(_JSON.value) if _JSON.value else folder / "results.json"
    conditions = {
        "config": config.name,
        "checkpoint": _CHECKPOINT.value,
        "server": f"{_HOST.value}:{_PORT.value}" if _HOST.value else None,
        "split": "test",
        "seed": _SEED.value,
        "episodes": _EPISODES.value,
        "quantize": _QUANTIZE.value,
        "episode_steps": reach.TASK.episode_steps,
        "policy_hz": environment.POLICY_HZ,
        "replan_steps": replan_steps,
    }
    report.write_json(results, report.to_json(rows, command=sys.argv, conditions=conditions))
    written = [results]
    if shown.episodes:
        marks = [episode.success(reach.TASK.tolerance) for episode in rows[0].episodes[: len(shown.episodes)]]
        film.write_mp4(folder / "episodes.mp4", shown.episodes, marks, fps=environment.POLICY_HZ)
        film.write_strip(folder / "episodes.png", shown.episodes, marks)
        written += [folder / "episodes.mp4", folder / "episodes.png"]
    print("wrote " + ", ".join(map(str, written)))


if __name__ == "__main__":
    app.define_config()
    app.run(main)
