"""Computes the normalization statistics of the dataset that a configuration trains on.

    bazel run //openpi/norm_stats -- --config=experiments/aloha.py

Measures the states and actions of every frame as the model will see them (a dataset of the simulation is recorded first
if it is not there; no video is decoded), prints a table and writes <assets_dir>/<asset_id>/norm_stats.json, replacing the
file that is there. Training reads that file, and every checkpoint carries a copy.
"""

from absl import flags

from openpi.config import app, schema
from openpi.norm_stats import table
from openpi.normalization import norm_stats
from openpi.trainer import data_source, norm_stats_source

_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames", None, "Measure this many frames, chosen at random, instead of all of them.", lower_bound=1
)


def main(config: schema.ConfigDict | None) -> None:
    """Computes, prints and writes."""
    if config is None:
        raise ValueError("statistics of which configuration? give --config=experiments/aloha.py or --config_name=NAME")
    if config.data.kind == "fake":
        raise ValueError("config.data.kind is 'fake': random data is not normalized and has no statistics")
    if "://" in config.data.assets_dir:
        raise ValueError(
            f"config.data.assets_dir is {config.data.assets_dir}, from where released statistics are read; to compute your "
            "own, set --config.data.assets_dir to a folder, or to nothing for the default"
        )
    folder = norm_stats_source.directory(config)  # fails before the work, not after it
    config.data.cache_frames = False
    dataset = data_source.open_dataset(config)
    stats = norm_stats_source.compute(config, dataset, max_frames=_MAX_FRAMES.value)
    print(table.render(stats, min_std=config.data.min_std))
    norm_stats.save(folder, stats)
    print(f"\nwritten to {folder / 'norm_stats.json'}")


if __name__ == "__main__":
    app.define_config()
    app.run(main)
