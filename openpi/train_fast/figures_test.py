import numpy as np
import pytest

from openpi.tokenizers import fast_codec_fit
from openpi.train_fast import figures


def test_measures_what_the_codec_does():
    chunks = np.cumsum(np.random.default_rng(0).normal(size=(60, 8, 3)), axis=1).astype(np.float32) / 8
    codec = fast_codec_fit.fit(chunks, vocab_size=300)
    measured = figures.Figures.measure(codec, chunks)
    lengths = [len(ids) for ids in codec.encode(chunks)]
    decoded = codec.decode(codec.encode(chunks), time_horizon=8, action_dim=3)
    assert (measured.chunks, measured.horizon, measured.dim, measured.tokens) == (60, 8, 3, 300)
    assert (measured.mean_tokens, measured.max_tokens) == (np.mean(lengths), max(lengths))
    assert measured.max_error == pytest.approx(np.abs(decoded - chunks).max())
    assert 0 < measured.max_error < 0.05 * np.sqrt(8) and measured.compression == 24 / np.mean(lengths)


def test_rendered():
    shown = figures.Figures(
        chunks=600, horizon=10, dim=14, tokens=1024, mean_tokens=35.04, max_tokens=61, max_error=0.08127
    )
    assert shown.render() == (
        "chunks                600 of 10 actions × 14\n"
        "tokens of the codec   1024\n"
        "tokens of a chunk     35.0 on average, 61 at most\n"
        "compression           4.00 numbers a token\n"
        "reconstruction error  0.0813 at most, in normalized units"
    )
