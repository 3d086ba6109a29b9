"""What is said of the statistics of a configuration's dataset: the table, the findings, the picture."""

import pathlib
from collections.abc import Mapping

import numpy as np

from openpi.client import robot_description
from openpi.config import build_transforms, schema
from openpi.data import dataset as dataset_lib
from openpi.data import dataset_stats, table_blocks
from openpi.norm_stats import histograms, table
from openpi.normalization import lint, measured, norm_stats

_PICTURED = 5000  # frames
_ROWS = 200_000  # samples of a panel


def known(config: schema.ConfigDict) -> dict[str, lint.Known]:
    """What a configuration's description of its robot tells of state and actions."""
    robot = build_transforms.robot_of(config)
    absolute = [name for i, name in enumerate(robot.actions) if not any(robot.delta_mask[i : i + 1])]
    return {
        "state": lint.Known(robot.state_names, _ranges(robot.state_conversions, robot.state_names)),
        "actions": lint.Known(robot.actions, _ranges(robot.action_conversions, absolute)),
    }


def make(
    config: schema.ConfigDict,
    stats: Mapping[str, measured.Measured],
    reference: Mapping[str, norm_stats.NormStats] | None = None,
) -> tuple[str, list[lint.Flag]]:
    """(the text, the findings) of what was measured, compared with `reference` if there is one."""
    about, min_std = known(config), config.data.min_std
    flags = lint.check(stats, about, min_std=min_std, action_dim=config.model.action_dim, reference=reference)
    names = {key: entry.names for key, entry in about.items()}
    return table.render(stats, names, flags, min_std=min_std, reference=reference), flags


def picture(
    path: str | pathlib.Path,
    config: schema.ConfigDict,
    dataset: dataset_lib.Recorded,
    stats: Mapping[str, measured.Measured],
    flags: list[lint.Flag],
) -> None:
    """Draws the histograms of some frames, spread over the dataset."""
    transform, read = build_transforms.statistics(config), []
    for member, _ in dataset_stats.parts(dataset):
        rows = np.unique(np.linspace(0, len(member) - 1, _PICTURED).round().astype(np.int64))
        read += table_blocks.read(member, rows, transform, tuple(stats))
    samples = {}
    for key in stats:
        values = np.concatenate([block[key].reshape(-1, block[key].shape[-1]) for block in read])
        samples[key] = values[:: -(-len(values) // _ROWS)]
    names = {key: entry.names for key, entry in known(config).items()}
    histograms.write(path, samples, stats, names, {(flag.key, flag.dim) for flag in flags})


def _ranges(conversions: tuple[robot_description.Conversion, ...], names) -> dict[str, tuple[float, float]]:
    """The ranges that linear conversions say their dims to have, as the model sees them."""
    found = {}
    for conversion in conversions:
        if conversion.kind == "linear":
            low, high = conversion.constants["model"]
            found |= {name: (low, high) for name in conversion.dims if name in names}
    return found
