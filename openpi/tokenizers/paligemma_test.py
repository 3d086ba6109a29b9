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


@pytest.mark.parametrize(
    ("prompt", "length"),
    [("", 2), ("\n", 2), ("_", 3), ("reach 🤖", None), ("\x00", None), ("reach the cube " * 667, 48)],
    ids=["empty", "newline", "underscore", "emoji", "null", "10,000 characters"],
)
def test_odd_prompts(prompt, length):
    """No prompt fails; characters that the model does not know become bytes that decode to what they were."""
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=48, vocab_size=2000)
    tokens, mask = tokenizer.tokenize(prompt)
    assert tokens.shape == mask.shape == (48,)
    assert length is None or mask.sum() == length
    if length is None:
        assert tokenizer._processor.decode(tokens[mask].tolist()) == prompt + "\n"


def test_only_the_first_long_prompt_is_warned_about(caplog):
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=8, vocab_size=2000)
    with caplog.at_level(logging.WARNING):
        tokenizer.tokenize("pick up the cube")
        assert not caplog.records
        for _ in range(3):
            _, mask = tokenizer.tokenize("pick up the cube " * 4)
    assert mask.all()
    assert len(caplog.records) == 1 and "has 18 tokens, more than max_token_len=8" in caplog.text


def test_a_tokenizer_can_be_sent_to_a_worker():
    tokenizer = paligemma.PaligemmaTokenizer("small", vocab_size=2000)
    copied = pickle.loads(pickle.dumps(tokenizer))
    np.testing.assert_array_equal(copied.tokenize("reach")[0], tokenizer.tokenize("reach")[0])
