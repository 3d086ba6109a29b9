import logging
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.tokenizers import fast_codec, fast_codec_fit

# The range of the released codec: coefficient -354 is code point 0.
_FIT = fast_codec_fit.fit([np.random.default_rng(0).uniform(-1, 1, (16, 8)) for _ in range(50)], vocab_size=400)
CODEC = fast_codec.FastCodec(_FIT.bpe, scale=10, min_token=-354, vocab_size=400)


def cosine_transform(x):
    """The formula, summed up term by term."""
    horizon = len(x)
    n = np.arange(horizon)
    rows = [np.cos(np.pi * (2 * n + 1) * k / (2 * horizon)) @ x for k in range(horizon)]
    return np.array(rows) * np.sqrt(np.where(n == 0, 1, 2) / horizon)[:, None]


_chunks = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: hnp.arrays(
        st.sampled_from([np.float32, np.float64]), shape, elements=st.floats(-4, 4, width=32, allow_subnormal=False)
    )
)


@settings(deadline=None)
@given(_chunks)
def test_a_chunk_comes_back_within_the_quantization(chunk):
    horizon, dim = chunk.shape
    (ids,) = CODEC.encode(chunk)
    assert all(0 <= token < CODEC.vocab_size for token in ids)
    decoded = CODEC.decode([ids], time_horizon=horizon, action_dim=dim)
    assert decoded.shape == (1, horizon, dim) and decoded.dtype == np.float64
    kept = cosine_transform(decoded[0]) * 10
    np.testing.assert_allclose(kept, np.rint(kept), atol=1e-6)
    assert np.abs(kept / 10 - cosine_transform(chunk.astype(np.float64))).max() <= 0.05 + 1e-4
    assert np.abs(decoded[0] - chunk).max() <= 0.05 * np.sqrt(horizon) + 1e-4


@pytest.mark.parametrize("shape", [(10, 8), (16, 8), (10, 7), (50, 14), (32, 32)])
def test_the_shapes_of_robots(shape):
    rng = np.random.default_rng(1)
    ramp = np.linspace(-1, 1, shape[0])[:, None] * np.ones(shape[1])
    batch = np.stack([np.full(shape, 0.3), ramp, rng.uniform(-1, 1, shape)]).astype(np.float32)
    ids = CODEC.encode(batch)
    assert [CODEC.encode(chunk)[0] for chunk in batch] == ids
    decoded = CODEC.decode(ids, time_horizon=shape[0], action_dim=shape[1])
    np.testing.assert_allclose(decoded, batch, atol=0.05 * np.sqrt(shape[0]))


def test_coefficients_are_row_major_and_round_half_to_even():
    x = np.array([[0.25, 1.0], [0.25, -1.0]])  # frequency 0 of dim 0, frequency 1 of dim 1
    np.testing.assert_array_equal(fast_codec.coefficients(x, 10), np.rint(cosine_transform(x) * 10))
    halves = np.array([[0.05, 0.15, 0.35, 1.05, -0.15]], np.float32)
    assert fast_codec.coefficients(halves, 10).tolist() == [[0, 2, 4, 10, -2]]
    assert fast_codec.text(np.array([[1, 2], [3, -4]]), -4) == "\x05\x06\x07\x00"
    assert fast_codec.text(np.array([[-9]]), -4) == "\x00"  # below the range: its end


def test_every_code_point_of_the_range_comes_back():
    """Spaces, line ends, controls, letters, digits: whatever the splitting pattern makes of them."""
    points = np.arange(2200)
    kept = np.concatenate([points, np.repeat(points, 2), np.random.default_rng(0).permutation(points)])
    text = "".join(map(chr, kept))
    assert [ord(character) for character in CODEC.bpe.decode(CODEC.bpe.encode(text).ids)] == kept.tolist()


def ids_of(text):
    return CODEC.bpe.encode(text).ids


@pytest.mark.parametrize(
    "ids",
    [
        [],
        ids_of("a" * 5),
        ids_of("a" * 7),
        [-1] * 6,
        [2**40] * 6,
        [399999] * 6,
        ids_of("é" * 6)[:-1] + ids_of("é")[:1] * 3,
        ids_of("\U0001f916" * 6),  # characters that encoding never gives
    ],
    ids=["none", "too few", "too many", "negative", "beyond 32 bits", "unknown", "half a character", "robots"],
)
def test_malformed_tokens_give_zeros_and_a_warning(ids, caplog):
    good = ids_of(chr(354 + 10) + chr(354) * 5)
    with caplog.at_level(logging.WARNING):
        bad, kept = CODEC.decode([ids, good], time_horizon=3, action_dim=2)
    assert not bad.any() and np.isclose(kept[:, 0], 1 / np.sqrt(3)).all()
    assert len(caplog.records) == 1 and "in place of 3 × 2: taken as zeros" in caplog.text


def test_numpy_ids_are_ids():
    ids = np.array(ids_of("a" * 6), np.int32)
    assert CODEC.decode(ids[None], time_horizon=3, action_dim=2).any()


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros(3), r"\[H, D\] or \[B, H, D\], and have the shape \(3,\)"),
        (np.zeros((1, 0, 3)), r"shape \(1, 0, 3\)"),
        (np.full((2, 2), np.nan), "not finite"),
        (np.full((2, 2), -np.inf), "not finite"),
        (np.full((2, 2), 1e30), "beyond what is a character"),
        (np.full((1, 1), (0xD800 - 354) / 10), "coefficient 54942, .* at most\\): normalize"),
    ],
)
def test_chunks_that_cannot_be_encoded(actions, message):
    with pytest.raises(ValueError, match=message):
        CODEC.encode(actions)
    assert CODEC.encode(np.full((1, 1), (0xD7FF - 354) / 10))  # the last that can


def test_shape_is_the_arguments_else_the_codecs_and_is_not_remembered():
    ids = CODEC.encode(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="needs time_horizon and action_dim"):
        CODEC.decode(ids)
    assert CODEC.decode(ids, time_horizon=3, action_dim=2).shape == (1, 3, 2)
    with pytest.raises(ValueError, match="needs time_horizon and action_dim"):
        CODEC.decode(ids)
    sized = fast_codec.FastCodec(CODEC.bpe, min_token=-354, time_horizon=2, action_dim=3)
    assert sized.decode(ids).shape == (1, 2, 3)
    assert sized.decode(ids, time_horizon=3, action_dim=2).shape == (1, 3, 2)
    assert sized.decode([]).shape == (0, 2, 3)


def test_a_codec_can_be_sent_to_a_worker():
    copied = pickle.loads(pickle.dumps(CODEC))
    chunk = np.random.default_rng(2).uniform(-1, 1, (5, 3))
    assert copied.encode(chunk) == CODEC.encode(chunk)
