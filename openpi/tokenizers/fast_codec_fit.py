"""Trains a FAST action codec on chunks of actions."""

import logging
from collections.abc import Iterable

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from openpi.tokenizers import fast_codec

_LOGGER = logging.getLogger(__name__)

_MARGIN = 100
_BYTES = 256


def fit(
    chunks: Iterable[np.ndarray],
    *,
    scale: float = 10.0,
    vocab_size: int = 1024,
    time_horizon: int | None = None,
    action_dim: int | None = None,
    show_progress: bool = False,
) -> fast_codec.FastCodec:
    """Returns a codec whose tokens are frequent sequences of the chunks' coefficients.

    The BPE begins with the 256 bytes, so that it can spell any chunk, also coefficients that the training data does not have.

    Args:
      chunks: each float [H, D] with its own H and D, normalized to about [-1, 1].
      scale: coefficients are kept to 0.5 / scale.
      vocab_size: the most tokens that the codec will have, 256 or more.
      time_horizon, action_dim: stored with the codec, for whoever decodes.
      show_progress: whether training the BPE draws a bar on standard error.

    Raises:
      ValueError: there are no chunks, they hold a value that is not finite, or their coefficients range over more than
        `vocab_size` values; or `vocab_size` or `scale` is too small.
    """
    if vocab_size < _BYTES or not scale > 0:
        raise ValueError(f"vocab_size={vocab_size} must be {_BYTES} or more, and scale={scale} above 0")
    rounded = [fast_codec.coefficients(chunk, scale) for chunk in chunks]
    if not rounded:
        raise ValueError("there are no action chunks to train a FAST codec on")
    low, high = min(each.min() for each in rounded), max(each.max() for each in rounded)
    if high - low > vocab_size:
        raise ValueError(
            f"scaled DCT coefficients range over {high - low} values ({low} … {high}), more than vocab_size={vocab_size}: "
            "normalize the actions to about -1 … 1, lower scale, or raise vocab_size"
        )
    if high - low > vocab_size - _MARGIN:
        _LOGGER.warning(
            "scaled DCT coefficients range over %d values, nearly vocab_size=%d: few tokens are left to compress them",
            high - low,
            vocab_size,
        )
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        max_token_length=10_000,
        show_progress=show_progress,
    )
    texts = (fast_codec.text(each, int(low)) for each in rounded)
    bpe.train_from_iterator(texts, trainer, length=len(rounded))
    return fast_codec.FastCodec(
        bpe,
        scale=scale,
        min_token=int(low),
        vocab_size=vocab_size,
        time_horizon=time_horizon,
        action_dim=action_dim,
    )
