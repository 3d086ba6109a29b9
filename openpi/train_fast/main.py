"""Trains a FAST action codec on the dataset of a configuration.

    bazel run //openpi/tokenizers:train_fast -- --config=experiments/aloha.py --output=~/fast_aloha

Reads the action chunk of every frame, normalized as training would, trains the codec, prints how it compresses and how exact
it is, and writes it in the form of the published processor: processor_config.json, tokenizer.json and what belongs to them. A
π0-FAST configuration takes the folder in the place of the published codec.
"""

import pathlib
import sys

from absl import flags

from openpi.config import app, build_transforms, schema
from openpi.data import action_chunks
from openpi.tokenizers import fast_codec_files, fast_codec_fit
from openpi.train_fast import figures
from openpi.trainer import data_source, norm_stats_source

_OUTPUT = flags.DEFINE_string("output", None, "The folder to write.")
_VOCAB_SIZE = flags.DEFINE_integer(
    "vocab_size",
    1024,
    "Tokens of the codec; also the largest range of coefficients.",
    lower_bound=257,
    upper_bound=32768,
)
_SCALE = flags.DEFINE_float(
    "scale", 10.0, "Coefficients are kept to 0.5 / scale: more is more exact, and more tokens.", lower_bound=1e-3
)
_MAX_CHUNKS = flags.DEFINE_integer(
    "max_chunks", None, "Train on this many chunks, chosen at random, instead of all of them.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the codec that is in the folder.")


def main(config: schema.ConfigDict) -> None:
    """Reads, trains, measures and writes."""
    if not _OUTPUT.value:
        raise ValueError("where to? give --output=FOLDER")
    output = pathlib.Path(_OUTPUT.value).expanduser().absolute()
    fast_codec_files.check_free(output, overwrite=_OVERWRITE.value)  # fails before the work, not after it
    config.data.cache = "none"
    dataset = data_source.open_dataset(config)
    stats = norm_stats_source.load_or_compute(config, dataset)
    normalized = build_transforms.normalized(config, stats)
    chunks = action_chunks.read(dataset, normalized, max_chunks=_MAX_CHUNKS.value)
    codec = fast_codec_fit.fit(
        chunks,
        scale=_SCALE.value,
        vocab_size=_VOCAB_SIZE.value,
        time_horizon=chunks.shape[1],
        action_dim=chunks.shape[2],
        show_progress=sys.stderr.isatty(),
    )
    print(figures.Figures.measure(codec, chunks).render())
    fast_codec_files.save(codec, output, overwrite=_OVERWRITE.value)
    print(f"\nwritten to {output}")


if __name__ == "__main__":
    app.define_config(question="a codec for which configuration?")
    app.run(main)
