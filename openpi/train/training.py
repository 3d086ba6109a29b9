"""Training as a configuration describes it, from its parts: data, model, state, loop, checkpoints."""

import contextlib
import functools
import json
import logging
import os
import pathlib
import re
import time

import jax

from openpi.checkpoints import layout, manager, run_directory
from openpi.checkpoints.assets import cache
from openpi.config import build_model, json_file, schema
from openpi.data import collate, loader, prefetch
from openpi.models import model as model_lib
from openpi.models import observation
from openpi.train import training_data
from openpi.trainer import (
    build_optimizer,
    flops,
    initial_weights,
    loop,
    metrics_writer,
    plot,
    progress,
    sharding,
    stop_signal,
    train_step,
)
from openpi.trainer import state as state_lib

_LOGGER = logging.getLogger("openpi")


def train(config: schema.ConfigDict) -> int:
    """Trains as `config` says, and prints where the result is.

    Whatever can be seen to fail early does, before the run's folder is touched.

    Returns:
      The exit code: 0, or that of the signal which stopped it.

    Raises:
      FileNotFoundError: the dataset, the statistics or the weights are missing.
      FileExistsError: the run exists, and neither resume nor overwrite is set.
      ValueError: the configuration, the dataset and the weights don't fit one another.
      RuntimeError: training diverged.
    """
    run_dir = layout.run_dir(config.checkpoint_base_dir, config.name, config.exp_name)
    run_directory.check(run_dir, overwrite=config.overwrite, resume=config.resume)
    resuming = config.resume and bool(layout.complete_steps(run_dir))
    _check_freeze(config.freeze)
    _keep_compiled_programs()
    mesh = sharding.make_mesh(config.fsdp_devices, config.batch_size, config.accumulation_steps)

    data = training_data.open_data(config)
    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(
            loader.create_loader(
                data.dataset,
                data.transform,
                batch_size=config.batch_size,
                seed=config.seed,
                num_threads=config.num_workers,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
            )
        )
        batch = _abstract_batch(data.transform(data.dataset[0]), config.batch_size, sharding.data(mesh))

        optimizer = build_optimizer.build(config)
        train_rng, init_rng = jax.random.split(jax.random.key(config.seed))
        model = build_model.build(config.model)
        fresh = functools.partial(model_lib.init, model)
        loaded = {} if resuming else initial_weights.load(config.weights, jax.eval_shape(fresh, init_rng))
        initialize = functools.partial(
            state_lib.initialize, fresh, optimizer=optimizer, frozen=config.freeze, ema=config.ema_decay > 0
        )
        state = _abstract_state(initialize, init_rng, loaded, mesh)
        step_fn = _compile(config, model, optimizer, state, train_rng, batch, mesh)

        run, resuming = manager.open_run(
            run_dir, overwrite=config.overwrite, resume=config.resume, keep_period=config.keep_period
        )
        stack.callback(run.close)  # waits for the last save
        if resuming:
            state, position = _restore(run, state)
            if position is not None:
                rows.set_state(position)
            _LOGGER.info("resuming %s at step %d", run_dir, state.step)
        batches = stack.enter_context(  # reads ahead from here on, more than the loop runs ahead of the device
            prefetch.Prefetcher(rows, functools.partial(jax.device_put, device=sharding.data(mesh)), size=4)
        )
        if not resuming:
            shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
            state = jax.jit(initialize, out_shardings=shardings)(init_rng, loaded)

        _write_atomically(run_dir / layout.CONFIG_FILE, _saved_config(config))
        began, start = time.monotonic(), int(state.step)
        with (
            stop_signal.StopSignal() as stop,
            contextlib.closing(metrics_writer.MetricsWriter(run_dir, resume_step=start)) as writer,
        ):
            outcome = loop.train(
                step_fn,
                state,
                train_rng,
                batches,
                loop.Plan(
                    config.num_train_steps,
                    config.log_interval,
                    config.save_interval,
                    flops.seconds_at_peak(functools.partial(_operations, config, model), jax.devices()),
                ),
                stop=stop,
                save=functools.partial(_save, run, config, data.assets),
                writer=writer,
            )
            run.wait_until_finished()
    plot.write_loss_curve(run_dir)
    _tell(run_dir, outcome, start, progress.duration(time.monotonic() - began))
    return outcome.exit_code


def _keep_compiled_programs() -> None:
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache.data_home() / "jax"))


def _check_freeze(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"config.freeze={pattern!r} is not a regular expression: {error}") from error


def _abstract_batch(sample, batch_size: int, placed: jax.sharding.Sharding):
    """Shapes and dtypes of a batch on the device, from one sample."""
    one = jax.eval_shape(lambda tree: tree, collate.collate([sample], 1))
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((batch_size, *leaf.shape[1:]), leaf.dtype, sharding=placed), one
    )


def _abstract_state(initialize, rng, loaded, mesh) -> state_lib.TrainState:
    """The state's shapes, dtypes and shardings."""
    shapes = jax.eval_shape(initialize, rng, loaded)
    return jax.tree.map(
        lambda leaf, placed: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placed),
        shapes,
        sharding.state(mesh, shapes),
    )


def _compile(config, model, optimizer, state, rng, batch, mesh) -> train_step.TrainStep:
    """The training step, compiled for these shapes."""

    def loss_fn(params, rng, batch, part):
        seen = observation.Observation.from_dict(batch)  # in the compiled program: images travel as uint8
        return model_lib.compute_loss(
            model, params, rng, seen, batch["actions"], train=True, num_draws=config.noise_draws, part=part
        )

    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        _LOGGER.info("batch %s %s%s", name, leaf.dtype, list(leaf.shape))
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(part)) for part in state_lib.split(state.params, config.freeze)]
    if not sizes[0]:
        raise ValueError(f"config.freeze={config.freeze!r} matches every parameter: nothing is left to train")
    _LOGGER.info("%.3f M parameters to train, %.3f M frozen; compiling the step", *(size / 1e6 for size in sizes))
    step = train_step.make(
        loss_fn,
        optimizer,
        frozen=config.freeze,
        ema_decay=config.ema_decay,
        accumulation_steps=config.accumulation_steps,
    )
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    jitted = jax.jit(step, donate_argnums=0, out_shardings=(shardings, sharding.replicated(mesh)))
    began = time.monotonic()
    compiled = jitted.lower(state, rng, batch).compile()
    _LOGGER.info("compiled in %.1f s", time.monotonic() - began)
    return compiled


def _operations(config: schema.ConfigDict, model: model_lib.Config) -> int:
    return flops.of_step(model, batch_size=config.batch_size, frozen=config.freeze, num_draws=config.noise_draws)


def _saved_config(config: schema.ConfigDict) -> str:
    saved = config.copy_and_resolve_references()
    saved.overwrite = saved.resume = False  # they are about one start of the program
    return json_file.dumps(saved)


def _save(run, config: schema.ConfigDict, assets, step: int, state: state_lib.TrainState, position) -> None:
    params, train_state = state_lib.to_items(state)
    manager.save(
        run,
        step,
        params=params,
        train_state=train_state,
        config=_saved_config(config),
        assets=assets,
        data_iterator=json.dumps(position).encode(),
    )


def _restore(run, abstract: state_lib.TrainState):
    """The latest checkpoint's state, and the position of its data loader (None if it has none)."""
    params, train_state = state_lib.to_items(abstract)
    restored = manager.restore(run, params=params, train_state=train_state)
    position = None if restored.data_iterator is None else json.loads(restored.data_iterator)
    return state_lib.from_items(restored.params, restored.train_state), position


def _write_atomically(path: pathlib.Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


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
