"""Looks for what is wrong with the numbers of a dataset before a model is trained on them.

    bazel run //openpi/norm_stats:lint -- --config=experiments/aloha.py
    bazel run //openpi/norm_stats:lint -- --config=FILE.py --compare=gs://openpi-assets/checkpoints/pi0_base/assets/trossen

Prints range, mean, quantiles and std of every dim of state and actions, as the model will see them before normalization,
and flags what hardly varies, outliers, degrees taken for radians, grippers of another scale, more numbers than the model
takes, and with --compare what the other statistics (of a file, a folder or a checkpoint) do not know. Draws histograms of
all dims as a PNG. Writes no statistics. With --strict the exit code is 1 if anything is flagged.
"""

import pathlib

from absl import flags

from openpi.config import app, build_transforms, schema
from openpi.norm_stats import reference, report
from openpi.trainer import norm_stats_source

_COMPARE = flags.DEFINE_string("compare", None, "Other statistics: norm_stats.json, its folder, or a checkpoint.")
_MAX_FRAMES = flags.DEFINE_integer("max_frames", None, "Measure this many frames, chosen at random.", lower_bound=2)
_PNG = flags.DEFINE_string("png", "norm_stats.png", "File for the histograms; nothing: draw none.")
_STRICT = flags.DEFINE_bool("strict", False, "Exit with 1 if anything is flagged.")


def main(config: schema.ConfigDict) -> int:
    """Measures, prints, draws, and returns the exit code."""
    other = None
    if _COMPARE.value:
        path, other = reference.load(_COMPARE.value, build_transforms.asset_id(config))
        print(f"compared with {path}\n")
    dataset = norm_stats_source.open_tables(config)
    measured = norm_stats_source.measure(config, dataset, max_frames=_MAX_FRAMES.value)
    text, found = report.make(config, measured, other)
    print(text)
    if _PNG.value:
        report.picture(_PNG.value, config, dataset, measured, found)
        print(f"\nhistograms: {pathlib.Path(_PNG.value).absolute()}")
    return 1 if _STRICT.value and found else 0


if __name__ == "__main__":
    app.define_config(question="the data of which configuration?")
    app.run(main)
