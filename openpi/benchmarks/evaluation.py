"""Measures the evaluation: episodes an hour with one simulator, and with several that ask one batching server.

    bazel run //openpi/benchmarks:evaluation -- --checkpoint=checkpoints/aloha_reach/default --json=PATH

The policy plays the same episodes of reach each way, in turn, as //openpi/evaluate does. The rate is that after each simulator's
first episode; what comes before, the simulators' start, is told apart. Fails when the ways' episodes succeed differently.
"""

import logging
import statistics
import time

import jax
from absl import flags

from openpi.benchmarks import record
from openpi.cli import program
from openpi.client import base_policy
from openpi.evaluate import contestant, episode, player
from openpi.policies import create

_RECORD = record.Record("evaluation", ("jax", "jaxlib", "numpy", "mujoco", "gym-aloha", "websockets"))
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Checkpoint of a policy for reach.", required=True)
_PARALLEL = flags.DEFINE_list("parallel", ["1", "8"], "Simulators at once, each way.")
_EPISODES = flags.DEFINE_integer("episodes", 48, "Episodes of each round, above the simulators at once.", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds of each way.", lower_bound=1)


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    logging.getLogger("openpi").setLevel(logging.WARNING)  # The server tells of each client.
    ways = [int(count) for count in _PARALLEL.value]
    if max(ways) >= _EPISODES.value:
        raise ValueError(f"--episodes={_EPISODES.value} must be above the {max(ways)} simulators at once")
    policy = create.create_policy(None, _CHECKPOINT.value)
    batch = policy.warmup(None)

    def load(size: int | None) -> tuple[base_policy.BasePolicy, int]:
        return policy, size or batch

    steps = create.load_config(_CHECKPOINT.value).sampling.replan_steps
    plan = player.Plan(policy="p", seed=0, split="test", replan_steps=steps, noise_shape=policy.noise_shape)
    one = contestant.Contestant(plan=plan, load=load)
    found: dict[int, list[dict[str, float]]] = {way: [] for way in ways}
    played: dict[int, list[episode.Episode]] = {}
    for _round in range(_ROUNDS.value):
        for way in ways:
            figures, played[way] = _measure(one, way)
            found[way].append(figures)
            print(
                f"{way} at once: {figures['episodes_per_hour']:.0f} episodes/hour, first after "
                f"{figures['first_seconds']:.1f} s",
                flush=True,
            )
    first, last = played[ways[0]], played[ways[-1]]
    medians = {way: statistics.median(each["episodes_per_hour"] for each in found[way]) for way in ways}
    gain = medians[ways[-1]] / medians[ways[0]]
    alike = all(a.success == b.success for a, b in zip(first, last, strict=True))
    apart = max(abs((a.distance or 0) - (b.distance or 0)) for a, b in zip(first, last, strict=True))
    print(
        f"{ways[-1]} at once play {gain:.2f} times as many episodes as {ways[0]}; distances differ by {apart:.1g} m at most"
    )
    result = {
        "task": "reach",
        "replan_steps": steps,
        "largest_batch": batch,
        "successes": sum(each.success for each in first),
        "successes_alike": alike,
        "largest_difference_metres": apart,
        "ways": {str(way): {"median_episodes_per_hour": medians[way], "rounds": found[way]} for way in ways},
        "gain": gain,
    }
    _RECORD.write(result, device=jax.devices()[0].device_kind, unsaid=("checkpoint",))
    return 0 if alike else 1


def _measure(one: contestant.Contestant, parallel: int) -> tuple[dict[str, float], list[episode.Episode]]:
    """The rate of a round, when its first episode was done, and all of its episodes in order."""
    wanted = [("reach", number) for number in range(_EPISODES.value)]
    began, ends, episodes = time.perf_counter(), [], []
    for done in one.play(wanted, parallel=parallel, max_batch_size=None):
        ends.append(time.perf_counter() - began)
        episodes.append(done)
    # Each simulator's first episode comes with its start.
    rate = (len(ends) - parallel) / (ends[-1] - ends[parallel - 1])
    figures = {"episodes_per_hour": 3600 * rate, "first_seconds": ends[0], "seconds": ends[-1]}
    return figures, sorted(episodes, key=lambda each: each.episode)


if __name__ == "__main__":
    program.run(main)
