import json
import logging
import pathlib
import pickle

import numpy as np
import pytest

from openpi.tokenizers import paligemma

_GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "paligemma_prompts.json").read_text())


@pytest.mark.parametrize("max_len", [12, 48, 200])
def test_golden(max_len):
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=max_len, vocab_size=2000)
    cases = [case for case in _GOLDEN["cases"] if case["max_len"] == max_len]
    assert len(cases) > 10
    for case in cases:
        state = None if case["state"] is None else np.array(_GOLDEN["states"][case["state"]])
        tokens, mask = tokenizer.tokenize(case["prompt"], state)
        length = len(case["tokens"])
        expected = np.array(case["tokens"] + [0] * (max_len - length), np.int64)
        np.testing.assert_array_equal(tokens, expected, strict=True)
        np.testing.assert_array_equal(mask, np.arange(max_len) < length, strict=True)


def test_a_long_prompt_is_warned_about(caplog):
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=8, vocab_size=2000)
    with caplog.at_level(logging.WARNING):
        tokenizer.tokenize("pick up the cube")
        assert not caplog.records
        _, mask = tokenizer.tokenize("pick up the cube " * 4)
    assert mask.all()
    assert "more than max_token_len=8" in caplog.text


def test_a_tokenizer_can_be_sent_to_a_worker():
    tokenizer = paligemma.PaligemmaTokenizer("small", vocab_size=2000)
    copied = pickle.loads(pickle.dumps(tokenizer))
    np.testing.assert_array_equal(copied.tokenize("reach")[0], tokenizer.tokenize("reach")[0])


def test_the_number_of_pieces_is_checked():
    with pytest.raises(ValueError, match=r"small.model has 2000 pieces, config.tokenizer.vocab_size is 257152"):
        paligemma.PaligemmaTokenizer("small")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100])
def test_a_file_that_is_no_model_is_named(content, tmp_path):
    file = tmp_path / "wrong.model"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"wrong\.model"):
        paligemma.PaligemmaTokenizer(file, vocab_size=2000)
