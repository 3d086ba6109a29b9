"""Who takes part in an evaluation: the policy, and with it what it must beat."""

import dataclasses
import datetime
import functools
import pathlib
from collections.abc import Callable
from typing import Any

from openpi.checkpoints import locate
from openpi.config import schema
from openpi.evaluate import baselines as baselines_lib
from openpi.evaluate import contestant, player, server_facts, worker
from openpi.policies import create
from openpi.policies import policy as policy_lib
from openpi.trainer import lerobot_source

SPLIT = "test"  # No start that a demonstration had, whatever the seeds.


@dataclasses.dataclass(frozen=True)
class Lineup:
    """Who takes part, the policy first; and facts that another evaluation's episodes must share to stand beside these."""

    contestants: list[contestant.Contestant]
    facts: dict[str, Any]


def enter(
    config: schema.ConfigDict,
    *,
    checkpoint: str | None,
    server: worker.Server | None,
    quantize: str,
    baselines: bool,
    replan_steps: int,
    seed: int,
    films: pathlib.Path,
    num_films: int,
) -> Lineup:
    """Finds all that will be needed, and loads nothing yet.

    Args:
      config: of the policy.
      checkpoint: of the policy, unless `server` is given; of the baselines.
      server: whose policy it is.
      quantize: weights of 8 bits for the policy of `checkpoint`, see `create.create_policy`.
      baselines: whether what the policy must beat takes part too.
      replan_steps: actions of a chunk that are played before the next is asked for.
      seed: of starts and noises.
      films: folder of the policy's films.
      num_films: episodes of each task that are filmed.

    Raises:
      OSError, ValueError, RuntimeError: the checkpoint, the server or the baselines' dataset is not there.
    """
    step_dir = locate.find_step_dir(checkpoint) if checkpoint else None
    told = server_facts.ask(server) if server else None
    demonstration = baselines_lib.mean_demonstration(lerobot_source.root_dir(config.data)) if baselines else None
    name = f"server {server.host}:{server.port}" if server else f"checkpoint {step_dir.parent.name}/{step_dir.name}"
    name += "" if quantize == "none" else f", {quantize}"
    noise_shape = told.noise_shape if told else _noise_shape(config)
    plan = player.Plan(
        policy=name,
        seed=seed,
        split=SPLIT,
        replan_steps=replan_steps,
        noise_shape=noise_shape,
        films=str(films),
        num_films=num_films,
    )
    load = None if server else _loader(lambda: create.create_policy(config, step_dir, quantize=quantize))
    found = [contestant.Contestant(plan=plan, load=load, server=server)]
    if demonstration is not None:
        plain = dataclasses.replace(plan, films=None, num_films=0)
        untrained = dataclasses.replace(plain, policy="untrained", noise_shape=_noise_shape(config))
        blind = dataclasses.replace(plain, policy="black image", black_images=True)
        replay = dataclasses.replace(
            plain, policy="mean demonstration", replan_steps=None, noise_shape=None, render=False
        )
        found += [
            contestant.Contestant(
                plan=untrained, load=_loader(lambda: create.create_untrained_policy(config, step_dir))
            ),
            contestant.Contestant(plan=blind, load=load, server=server),
            contestant.Contestant(plan=replay, load=lambda _: (baselines_lib.ReplayPolicy(demonstration), 1)),
        ]
    facts = {
        "policy": name,
        "config": config.name,
        "checkpoint": checkpoint,
        "quantize": quantize,
        "checkpoint_written": _written(step_dir) if step_dir else None,
        "server_source": told.source if told else None,
        "noise": "of each episode, by its seed" if noise_shape else "the policy's own, in the order of requests",
    }
    return Lineup(found, facts)


def _loader(make: Callable[[], policy_lib.Policy]) -> Callable[[int | None], tuple[policy_lib.Policy, int]]:
    """Makes the policy ready, once."""

    @functools.cache
    def load(max_batch_size: int | None) -> tuple[policy_lib.Policy, int]:
        policy = make()
        return policy, policy.warmup(max_batch_size)

    return load


def _noise_shape(config: schema.ConfigDict) -> tuple[int, int] | None:
    return None if config.model.type == "pi0_fast" else (config.model.action_horizon, config.model.action_dim)


def _written(step_dir: pathlib.Path) -> str:
    """When the checkpoint's files were last written: one that was trained anew under its old name is another."""
    last = max(path.stat().st_mtime for path in step_dir.rglob("*") if path.is_file())
    return datetime.datetime.fromtimestamp(last, datetime.UTC).isoformat()
