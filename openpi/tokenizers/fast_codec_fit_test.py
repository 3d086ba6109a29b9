import logging

import numpy as np
import pytest

from openpi.tokenizers import fast_codec_fit


def motions(n, horizon=16, dim=6, seed=0):
    """Smooth chunks, about -1 … 1."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, horizon)[None, :, None]
    start, slope, phase = rng.normal(size=(3, n, 1, dim)) / 2
    return np.tanh(start + slope * t + np.sin(4 * t + 3 * phase) / 3)


def test_smooth_chunks_are_compressed():
    codec = fast_codec_fit.fit(motions(500), vocab_size=512, time_horizon=16, action_dim=6)
    assert codec.bpe.get_vocab_size() == 512 == codec.vocab_size
    unseen = motions(50, seed=1)
    ids = codec.encode(unseen)
    assert np.mean([len(each) for each in ids]) < 16 * 6 / 3
    np.testing.assert_allclose(codec.decode(ids), unseen, atol=0.05 * np.sqrt(16))


def test_coefficients_beyond_the_training_data_are_spelled_too():
    codec = fast_codec_fit.fit(motions(50), vocab_size=300)
    far = 5 * np.abs(motions(20, seed=1))
    decoded = codec.decode(codec.encode(far), time_horizon=16, action_dim=6)
    assert np.abs(decoded).max() > 3  # not the zeros of a chunk that could not be spelled


def test_the_range_of_the_data_becomes_the_codecs():
    chunks = [np.array([[0.5], [-0.25]]), np.array([[3.0, -1.0]])]  # shapes may differ
    codec = fast_codec_fit.fit(chunks, scale=4.0, vocab_size=300)
    assert (codec.scale, codec.min_token) == (4.0, -4)
    assert codec.time_horizon is None and codec.action_dim is None


def test_the_same_data_gives_the_same_codec():
    first, second = (fast_codec_fit.fit(motions(100), vocab_size=300) for _ in range(2))
    assert first.bpe.to_str() == second.bpe.to_str()


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "no action chunks"),
        ([np.full((2, 2), np.nan)], "not finite"),
        ([np.array([[-20.0]]), np.array([[20.1]])], r"range over 401 values \(-200 … 201\), more than vocab_size=400"),
    ],
)
def test_data_that_no_codec_fits(chunks, message):
    with pytest.raises(ValueError, match=message):
        fast_codec_fit.fit(chunks, vocab_size=400)


@pytest.mark.parametrize("wrong", [{"vocab_size": 255}, {"scale": 0.0}, {"scale": float("nan")}])
def test_settings_that_no_codec_has(wrong):
    with pytest.raises(ValueError, match="must be 256 or more, and scale=.* above 0"):
        fast_codec_fit.fit([np.zeros((2, 2))], **wrong)


@pytest.mark.parametrize(("top", "warned"), [(30.0, False), (30.1, True), (40.0, True)])
def test_a_range_that_nearly_fills_the_vocabulary_is_warned_about(top, warned, caplog):
    with caplog.at_level(logging.WARNING):
        fast_codec_fit.fit([np.array([[0.0]]), np.array([[top]])], vocab_size=400)
    assert ("nearly vocab_size=400" in caplog.text) == warned
