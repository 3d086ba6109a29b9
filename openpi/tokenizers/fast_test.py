import json
import logging
import pathlib
import pickle

import numpy as np
import pytest

from openpi.tokenizers import fast, fast_codec_fit, stand_in_codec

_GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "fast.json").read_text())
_STATE = np.linspace(-1, 1, 8)


def array(entry):
    return np.array(entry["values"], entry["dtype"])


def tokenizer(codec=None, **kwargs):
    return fast.FastTokenizer("small", codec or stand_in_codec.StandInCodec(), vocab_size=2000, **kwargs)


@pytest.fixture(scope="module")
def chunks():
    return np.cumsum(np.random.default_rng(0).normal(size=(200, 10, 4)), axis=1) / 8


@pytest.fixture(scope="module")
def codec(chunks):
    return fast_codec_fit.fit(chunks, vocab_size=400)


@pytest.mark.parametrize("max_len", [40, 64, 256])
def test_tokenize_golden(max_len):
    subject = tokenizer(max_len=max_len)
    cases = [case for case in _GOLDEN["tokenize"] if case["max_len"] == max_len]
    assert len(cases) == 45
    for case in cases:
        actions = None if case["actions"] is None else array(_GOLDEN["actions"][str(case["actions"])])
        tokens, mask, ar_mask, loss_mask = subject.tokenize(
            case["prompt"], array(_GOLDEN["states"][case["state"]]), actions
        )
        n, at = len(case["tokens"]), np.arange(max_len)
        answer = (at >= case["prefix"]) & (at < n)
        expected = np.array(case["tokens"] + [0] * (max_len - n), np.int64)
        np.testing.assert_array_equal(tokens, expected, strict=True)
        np.testing.assert_array_equal(mask, at < n, strict=True)
        np.testing.assert_array_equal(ar_mask, answer.astype(np.int64), strict=True)
        np.testing.assert_array_equal(loss_mask, answer, strict=True)


@pytest.mark.parametrize("case", _GOLDEN["extract"], ids=lambda case: case["label"])
def test_extract_golden(case):
    actions = tokenizer().extract_actions(np.array(case["tokens"]), 3, 4)
    np.testing.assert_array_equal(actions, np.array(case["actions"], case["dtype"]), strict=True)


def test_what_is_written_is_read_with_a_learned_codec(codec, chunks):
    """The vocabulary's tail of 1024 location pieces makes the way through text exact."""
    subject = tokenizer(codec)
    for chunk in chunks[:20]:
        tokens, mask, ar_mask, _ = subject.tokenize("reach", _STATE, chunk)
        answer = tokens[mask & (ar_mask == 1)]
        expected = codec.decode(codec.encode(chunk), time_horizon=10, action_dim=4)[0]
        np.testing.assert_array_equal(subject.extract_actions(answer, 10, 4), expected, strict=True)
        np.testing.assert_allclose(expected, chunk, atol=0.05 * np.sqrt(10))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("wrong", [-1, 2000, 2**31 - 1])
def test_a_token_that_is_none_gives_zeros_and_a_warning(codec, wrong, dtype, caplog):
    with caplog.at_level(logging.WARNING):
        actions = tokenizer(codec).extract_actions(np.array([437, 814, wrong], dtype), 3, 4)
    np.testing.assert_array_equal(actions, np.zeros((3, 4), np.float32), strict=True)
    assert f"has token {wrong}, outside of 0…1999" in caplog.text


def test_random_answers_never_fail(codec):
    subject = tokenizer(codec)
    rng = np.random.default_rng(0)
    marker = subject.tokenize("", _STATE, np.zeros((10, 4)))[0][-256:]
    start = np.flatnonzero(marker == 437)[-1]
    for _ in range(200):
        answer = np.concatenate([marker[start : start + 3], rng.integers(-3 if rng.random() < 0.1 else 0, 2000, 30)])
        assert np.isfinite(subject.extract_actions(answer, 10, 4)).all()


def test_a_codec_too_large_for_the_vocabulary_is_named():
    class Large(stand_in_codec.StandInCodec):
        def encode(self, actions):
            return [[1872]]

    with pytest.raises(ValueError, match="action id 1872 has no piece in a vocabulary of 2000"):
        tokenizer(Large()).tokenize("x", _STATE, np.zeros((1, 1)))


def test_a_tokenizer_can_be_sent_to_a_worker(codec, chunks):
    subject = tokenizer(codec)
    copied = pickle.loads(pickle.dumps(subject))
    for got, expected in zip(copied.tokenize("a", _STATE, chunks[0]), subject.tokenize("a", _STATE, chunks[0])):
        np.testing.assert_array_equal(got, expected)
