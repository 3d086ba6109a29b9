import json
import logging
import pathlib

import numpy as np
import pytest

from openpi.tokenizers import binning

_GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "binning.json").read_text())


@pytest.fixture(scope="module")
def tokenizer():
    return binning.BinningTokenizer("small", max_len=_GOLDEN["max_len"], vocab_size=2000, n_bins=_GOLDEN["n_bins"])


def test_tokenize_golden(tokenizer):
    for case in _GOLDEN["tokenize"]:
        tokens, mask, ar_mask, loss_mask = tokenizer.tokenize(
            case["prompt"], np.array(_GOLDEN["states"][case["state"]])
        )
        n = len(case["tokens"])
        np.testing.assert_array_equal(tokens, np.array(case["tokens"] + [0] * (64 - n), np.int64), strict=True)
        np.testing.assert_array_equal(mask, np.arange(64) < n, strict=True)
        np.testing.assert_array_equal(ar_mask, np.zeros(64, np.int64), strict=True)
        np.testing.assert_array_equal(loss_mask, np.zeros(64, bool), strict=True)


@pytest.mark.parametrize("case", _GOLDEN["extract"], ids=lambda case: case["label"])
def test_extract_golden(tokenizer, case):
    actions = tokenizer.extract_actions(np.array(case["tokens"]), 3, 4)
    np.testing.assert_array_equal(actions, np.array(case["actions"], case["dtype"]), strict=True)


def test_the_ends_of_the_range(tokenizer):
    text = "Action: " + "".join(f"<loc{1023 - bin:04}>" for bin in (0, 128, 256)) + "|"
    actions = tokenizer.extract_actions(np.array(tokenizer._text._processor.encode(text)), 1, 3)
    assert actions.tolist() == [[-1, 0, 1]]


@pytest.mark.parametrize("tokens", [[-1], [2000], []])
def test_wrong_tokens_give_zeros_and_a_warning(tokenizer, tokens, caplog):
    with caplog.at_level(logging.WARNING):
        actions = tokenizer.extract_actions(np.array(tokens, np.int32), 2, 3)
    np.testing.assert_array_equal(actions, np.zeros((2, 3), np.float32), strict=True)
    assert len(caplog.records) == 1


def test_actions_are_not_encoded(tokenizer):
    with pytest.raises(NotImplementedError, match="does not encode actions"):
        tokenizer.tokenize("x", np.zeros(2), np.zeros((1, 2)))
