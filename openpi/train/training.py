"""Training as a configuration describes it: the order in which its parts are called."""

import contextlib
import functools
import logging
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any, TextIO

import jax

from openpi.checkpoints import layout, run_directory
from openpi.checkpoints.assets import compiled_programs
from openpi.config import schema
from openpi.data import loader, prefetch
from openpi.trainer import (
    bad_batch,
    build_optimizer,
    compile_step,
    distributed,
    distributed_facts,
    divergence,
    flops,
    initial_weights,
    loop,
    loop_memory,
    metrics_writer,
    open_run,
    plot,
    profile_steps,
    progress,
    run_checkpoints,
    setup,
    sharding,
    stop_signal,
    trackers,
    training_data,
    validation,
)
from openpi.trainer.preflight import model_view

_LOGGER = logging.getLogger("openpi")


def train(
    config: schema.ConfigDict,
    processes: distributed.Processes = distributed.ALONE,
    profile: profile_steps.Window | None = None,
) -> int:
    """Trains as `config` says, and prints where the result is.

    Whatever can be seen to fail early does, before the run's folder is touched. All `processes` call this; the first of them
    alone writes logs, metrics and plots.

    Args:
      config: what is trained.
      processes: this one and the others.
      profile: steps that process 0 profiles.

    Returns:
      The exit code: 0, or that of the signal which stopped it.

    Raises:
      FileNotFoundError: the dataset, the statistics or the weights are missing.
      FileExistsError: the run exists, and neither resume nor overwrite is set.
      ValueError: the configuration, the dataset and the weights don't fit one another; or the processes differ.
      RuntimeError: training diverged.
      OSError: the last checkpoint could not be written.
    """
    processes.agree(distributed_facts.of_config(config))
    run_dir = layout.run_dir(config.checkpoint_base_dir, config.name, config.exp_name)
    run_directory.check(run_dir, overwrite=config.overwrite, resume=config.resume)
    checkpoint = run_checkpoints.latest(run_dir) if config.resume else None
    if processes.index == 0:
        trackers.check(config)
    compiled_programs.keep()
    processes.agree({"the latest checkpoint": str(checkpoint)} | distributed_facts.of_devices())
    mesh = sharding.make_mesh(config.fsdp_devices, config.batch_size, config.accumulation_steps)
    parts = setup.build(config, mesh)
    abstract = setup.abstract_state(parts)

    data = processes.first_alone(functools.partial(training_data.open_data, config))
    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(
            loader.create_loader(
                data.dataset,
                data.transform,
                batch_size=config.batch_size,
                seed=config.seed,
                num_threads=config.num_workers,
                process_index=processes.index,
                process_count=processes.count,
            )
        )
        processes.agree(distributed_facts.of_data(rows.get_state(), data.assets))
        train_rng, init_rng = setup.rngs(config.seed)
        loaded = {}
        if checkpoint is not None:
            run_checkpoints.check(checkpoint, config, data.assets, abstract, rows)
        else:
            loaded = initial_weights.load(config.weights, jax.eval_shape(parts.fresh, init_rng))
        batch = setup.abstract_batch(parts, data.transform(data.dataset[0]), config.batch_size)
        policy = divergence.Policy(config.on_divergence == "skip", config.divergence_factor, config.max_skipped_steps)
        limited = policy.skip and policy.factor > 0
        step_fn = compile_step.compile_step(parts, abstract, train_rng, batch, limited=limited)

        validate = None
        if data.held_out is not None:
            validate = validation.build(config, parts, abstract.params, data.held_out, run_dir)

        first_batch = rows.peek() if checkpoint is None and processes.index == 0 else None
        run = open_run.open_run(run_dir, config, processes)
        stack.callback(run.close)  # waits for the last save
        batches = stack.enter_context(  # reads ahead from here on, more than the loop runs ahead of the device
            prefetch.Prefetcher(rows, functools.partial(sharding.put_batch, mesh), size=4)
        )
        memory = loop_memory.NOTHING
        if checkpoint is not None:
            state, memory = run_checkpoints.restore(checkpoint, abstract)
            _LOGGER.info("resuming %s at step %d", run_dir, state.step)
        else:
            state = setup.init_state(parts, abstract, init_rng, loaded)

        began, start = time.monotonic(), int(state.step)
        with (
            stop_signal.StopSignal(processes, start) as stop,
            _writer(config, run_dir, start, processes) as writer,
        ):
            if first_batch is not None:
                writer.picture(0, "first_batch", model_view.draw(config, first_batch, run_dir / "first_batch.png"))
            profiled: Callable[..., Any] = step_fn
            if profile is not None and processes.index == 0:
                profiled = stack.enter_context(profile_steps.ProfiledStep(step_fn, start, profile, run_dir))
            outcome = loop.train(
                processes.begin_together(profiled),
                state,
                sharding.put_everywhere(mesh, train_rng),
                batches,
                loop.Plan(
                    config.num_train_steps,
                    config.log_interval,
                    config.save_interval,
                    progress.Facts(
                        config.batch_size,
                        build_optimizer.schedule(config),
                        flops.seconds_at_peak(parts.operations, jax.devices()),
                    ),
                    policy,
                ),
                stop=stop,
                save=functools.partial(run_checkpoints.save, run, config, data.assets),
                writer=writer,
                memory=memory,
                place_limits=functools.partial(setup.replicate, parts) if limited else None,
                on_bad=functools.partial(bad_batch.report, run_dir, rows),
                validate=validate,
                stream=None if processes.index == 0 else _nowhere(stack),
            )
            run.wait_until_finished()
    if run.failure:
        raise OSError(f"{run.failure}; make room, and the same command with --config.resume goes on from there")
    if processes.index == 0:
        plot.write_loss_curve(run_dir)
        _tell(run_dir, outcome, start, progress.duration(time.monotonic() - began))
    return outcome.exit_code


def _writer(
    config: schema.ConfigDict, run_dir: pathlib.Path, start: int, processes: distributed.Processes
) -> metrics_writer.MetricsWriter:
    if processes.index:
        return metrics_writer.Nowhere()
    return trackers.open_writer(config, run_dir, resume_step=start)


def _nowhere(stack: contextlib.ExitStack) -> TextIO:
    return stack.enter_context(pathlib.Path(os.devnull).open("w", encoding="utf-8"))


def _tell(run_dir: pathlib.Path, outcome: loop.Outcome, start: int, took: str) -> None:
    shown = pathlib.Path(os.path.relpath(run_dir)) if run_dir.is_relative_to(pathlib.Path.cwd()) else run_dir
    if outcome.exit_code:
        print(
            f"stopped after step {outcome.last_step}; saved in {shown}; the same command with --config.resume goes on"
        )
        return
    if outcome.last_step < start:
        print(f"nothing to do: {shown} has all of its {start} steps; for more, raise --config.num_train_steps")
    else:
        print(f"trained steps {start} to {outcome.last_step} in {took}: {shown} (loss curve: {shown / plot.FILE_NAME})")
    print(f"serve it: tools/bazel run //openpi/serve -- --checkpoint={shown}")
