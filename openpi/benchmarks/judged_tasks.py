"""How often a policy succeeds in a simulated task, and what was found, kept by training and task."""

from collections.abc import Iterable, Sequence
from typing import Any

from openpi.client import action_chunk_broker, base_policy
from openpi.sims.aloha import environment as environment_lib


def judge(
    policy: base_policy.BasePolicy, environment: environment_lib.AlohaEnvironment, *, episodes: int, replan_steps: int
) -> dict[str, Any]:
    """Episodes 0 to `episodes` - 1 of an environment, played closed-loop.

    Args:
        policy: answers with chunks of actions.
        environment: of one task.
        episodes: how many.
        replan_steps: actions of a chunk that are played before the next is asked for.

    Returns:
        task, episodes, and the indices of those that succeeded.
    """
    player = action_chunk_broker.ActionChunkBroker(policy, replan_steps)
    succeeded = []
    for episode in range(episodes):
        environment.reset(episode=episode)
        player.reset()
        while not environment.is_episode_complete():
            environment.apply_action(player.infer(environment.get_observation()))
        if environment.success():
            succeeded.append(episode)
    return {"task": environment.task.name, "episodes": episodes, "succeeded": succeeded}


def merge(known: Iterable[dict[str, Any]], found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of both; of the same training and task, those that were found now."""
    rows = {(row["config"], row["task"]): row for row in (*known, *found)}
    return [rows[key] for key in sorted(rows)]
