"""Computes the normalization statistics of the dataset that a configuration trains on.

    bazel run //openpi/norm_stats -- --config=experiments/aloha.py

Measures the states and actions of every frame as the model will see them, all steps of its action chunk counted, from the
tables alone (no video is decoded; a dataset of the simulation is recorded first if it is not there). Prints a table with
what looks wrong, and writes <assets_dir>/<asset_id>/norm_stats.json, replacing the file that is there, with a record of
what it was computed from beside it. Training reads that file, and every checkpoint carries a copy.

Quantiles are exact. --published_estimator repeats the published script's arithmetic instead, to the last bit: float32, 5000
bins, whole batches of config.batch_size only, no config.data.min_std. With --max_frames below the dataset's length its choice
of frames is another than the published script's, whose shuffling by torch cannot be repeated here.
//openpi/norm_stats:lint looks closer.
"""

from absl import flags

from openpi.config import app, build_transforms, schema
from openpi.data import dataset_stats
from openpi.norm_stats import report
from openpi.trainer import norm_stats_source

_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames", None, "Measure this many frames, chosen at random, instead of all of them.", lower_bound=2
)
_PUBLISHED = flags.DEFINE_bool(
    "published_estimator", False, "Compute as the published script does, with its approximate quantiles."
)


def main(config: schema.ConfigDict) -> None:
    """Computes, prints and writes."""
    if config.data.kind == "fake":
        raise ValueError("config.data.kind is 'fake': random data is not normalized and has no statistics")
    if "://" in config.data.assets_dir:
        raise ValueError(
            f"config.data.assets_dir is {config.data.assets_dir}, from where released statistics are read; to compute your "
            "own, set --config.data.assets_dir to a folder, or to nothing for the default"
        )
    norm_stats_source.directory(config)  # fails before the work, not after it
    dataset = norm_stats_source.open_tables(config)
    most, method = _MAX_FRAMES.value, "exact"
    if _PUBLISHED.value:
        config.data.min_std, method = 0.0, "published"
        measured = dataset_stats.measure_as_published(
            dataset, build_transforms.statistics(config), batch_size=config.batch_size, max_frames=most
        )
    else:
        measured = norm_stats_source.measure(config, dataset, max_frames=most)
    text, _ = report.make(config, measured)
    print(text)
    stats = {key: entry.with_min_std(config.data.min_std) for key, entry in measured.items()}
    path = norm_stats_source.save(config, dataset, stats, max_frames=most, method=method)
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    app.define_config(question="statistics of which configuration?")
    app.run(main)
