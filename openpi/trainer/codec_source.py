"""The action codec that a pi0-FAST configuration trains with: named, or trained on the dataset."""

import logging
import pathlib
import sys

import numpy as np

from openpi.checkpoints import layout
from openpi.config import build_tokenizer, build_transforms, schema
from openpi.data import action_chunks
from openpi.data import dataset as dataset_lib
from openpi.tokenizers import fast_codec_files, fast_codec_fit

_LOGGER = logging.getLogger("openpi")


def find_or_train(config: schema.ConfigDict, dataset: dataset_lib.Recorded, stats) -> pathlib.Path | None:
    """The folder of the codec; None for a model that needs none.

    A codec that `config.tokenizer.codec` names is fetched if need be. If it names none, the one at
    `<assets_base_dir>/<name>/action_codec` is taken, which is trained first where missing statistics are computed too.

    Args:
      config: the configuration.
      dataset: what it trains on, with actions as chunks.
      stats: the normalization statistics.

    Raises:
      FileNotFoundError: there is no codec.
      OSError: it cannot be fetched.
      ValueError: this configuration cannot be trained, or the codec is damaged or of another size.
    """
    if config.model.type != "pi0_fast":
        return None
    if config.tokenizer.actions != "fast":
        raise ValueError(
            f"config.tokenizer.actions={config.tokenizer.actions!r} is for inference: it does not encode actions; train with "
            "'fast'"
        )
    _check_size(config, dataset, stats)
    if config.tokenizer.codec:
        return build_tokenizer.codec_path(config)
    folder = pathlib.Path(config.assets_base_dir).expanduser().absolute() / config.name / layout.ACTION_CODEC
    if not folder.exists() and config.data.compute_norm_stats:
        _train(config, dataset, stats, folder)
    if not folder.exists():
        raise FileNotFoundError(
            f"no action codec at {folder}: have training make it of the dataset with --config.data.compute_norm_stats=True, or "
            "with //openpi/tokenizers:train_fast, whose folder config.tokenizer.codec names"
        )
    codec, model = fast_codec_files.load(folder), config.model
    size = (codec.time_horizon, codec.action_dim)
    if size != (model.action_horizon, model.action_dim):
        raise ValueError(
            f"the action codec at {folder} is for {size[0]} x {size[1]} actions, config.model has action_horizon="
            f"{model.action_horizon} and action_dim={model.action_dim}; remove the folder to train another"
        )
    return folder


def _check_size(config: schema.ConfigDict, dataset, stats) -> None:
    """A policy decodes chunks of the model's size: of another size, all its actions would be zeros."""
    sample = build_transforms.normalized(config, stats)(dataset.read_tables(np.zeros(1, np.int64)))
    width = sample["actions"].shape[-1] if "actions" in sample else None
    if width is not None and width != config.model.action_dim:
        raise ValueError(
            f"config.model.action_dim={config.model.action_dim}, and the robot's actions have {width} numbers, which pi0_fast "
            f"does not pad: set it to {width}"
        )


def _train(config: schema.ConfigDict, dataset, stats, folder: pathlib.Path) -> None:
    chunks = action_chunks.read(dataset, build_transforms.normalized(config, stats))
    codec = fast_codec_fit.fit(
        chunks, time_horizon=chunks.shape[1], action_dim=chunks.shape[2], show_progress=sys.stderr.isatty()
    )
    fast_codec_files.save(codec, folder)
    tokens = codec.encode(chunks)
    mean, most = sum(map(len, tokens)) / len(tokens), max(map(len, tokens))
    _LOGGER.info("action codec written to %s: %.1f tokens a chunk, %d at the most", folder, mean, most)
