"""One batch through the whole road, looked at on the way: what `--dry_run` shows before a long training begins."""

import pathlib

import jax
import numpy as np

from openpi.checkpoints.assets import compiled_programs
from openpi.config import build_transforms, schema
from openpi.data import dataset as dataset_lib
from openpi.data import loader
from openpi.normalization import norm_stats
from openpi.trainer import (
    codec_source,
    data_source,
    norm_stats_source,
    plan,
    plan_report,
    validation_data,
)
from openpi.trainer.preflight import advice, model_view, stages


def dry_run(config: schema.ConfigDict, picture: pathlib.Path) -> int:
    """Prints what each stage makes of a sample, the batch that the model gets, and advice; writes the batch's images.

    No run is touched and no frame cache is built. What training would have to make first is made and kept as it would be:
    a dataset of the simulation, and statistics and an action codec where `config.data.compute_norm_stats`.

    Args:
      config: of the training.
      picture: PNG file to write.

    Returns:
      The exit code: 1 if something must be mended before training can begin.

    Raises:
      FileNotFoundError: the dataset is missing.
      ValueError: a stage cannot take what it gets; the message names it.
    """
    config = config.copy_and_resolve_references()
    config.data.cache = "none"
    dataset = data_source.open_dataset(config)
    stats, missing = _stats(config, dataset)
    transforms = build_transforms.build(config, codec_source.find_or_train(config, dataset, stats))
    road = transforms.training(stats, data_source.tasks(config, dataset))
    row = dataset[0]
    print(stages.render(stages.trace(road, row)))

    trained, _ = validation_data.split(config, dataset)
    with loader.create_loader(trained, road, batch_size=config.batch_size, seed=config.seed, num_threads=0) as batches:
        batch = jax.tree.map(np.asarray, jax.device_put(next(batches)))  # as the device holds it: float32
    print(f"\nthe first batch\n{stages.render([stages.Stage('batch', stages.describe(batch))])}")
    print(f"\nwhat the model sees: {model_view.draw(config, batch, picture)}")

    facts = advice.Facts(
        fps=dataset.fps,
        episode_lengths=np.asarray(dataset.episodes.stop) - np.asarray(dataset.episodes.start),
        robot_sample=build_transforms.statistics(config)(row),
        batch=batch,
        has_stats=stats is not None,
    )
    findings = [*missing, *advice.check(config, facts)]
    if not any(finding.problem for finding in findings):
        findings += _memory(config, road(row))
    print("\n".join(["", *map(str, findings)] if findings else ["", "dataset, robot and model fit one another"]))
    return int(any(finding.problem for finding in findings))


def _stats(
    config: schema.ConfigDict, dataset: dataset_lib.Recorded
) -> tuple[dict[str, norm_stats.NormStats] | None, list[advice.Finding]]:
    """The statistics; or None, and the problem that they are missing."""
    try:
        return norm_stats_source.load_or_compute(config, dataset), []
    except FileNotFoundError as error:
        return None, [advice.Finding(True, str(error))]


def _memory(config: schema.ConfigDict, sample: dict) -> list[advice.Finding]:
    """Prints what the step takes of this machine's devices; whether it is too much. Training finds the step compiled."""
    compiled_programs.keep()
    planned, has = plan.of_training(config, here=True, sample=sample), plan.device_memory()
    print(
        f"\n{plan_report.table(config, planned)}\n  of {has / plan_report.GIB:.2f} here; for other devices: //openpi/train:plan"
    )
    if planned.peak <= has:
        return []
    text = f"a step takes {planned.peak / plan_report.GIB:.2f} GiB and a device here has {has / plan_report.GIB:.2f}"
    return [advice.Finding(True, f"{text}: //openpi/train:plan tells what to change")]
