import pathlib

import numpy as np
import pytest

from openpi.tokenizers import binning, fast, stand_in_codec
from openpi.transforms import fast_tokens, golden_cases

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "fast_tokens"


def tokenizer(max_len=90):
    return fast.FastTokenizer("small", stand_in_codec.StandInCodec(), max_len=max_len, vocab_size=2000)


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "TokenizeFASTInputs"), ids=lambda case: case.id)
def test_tokenize_golden(case):
    golden_cases.run(case, lambda: fast_tokens.TokenizeFASTInputs(tokenizer(case.args["max_len"])))


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "ExtractFASTActions"), ids=lambda case: case.id)
def test_extract_golden(case):
    subject = tokenizer(case.args.pop("max_len"))
    golden_cases.run(case, lambda: fast_tokens.ExtractFASTActions(subject, **case.args))


def test_what_is_missing_is_named():
    for sample, message in (
        ({"state": np.zeros(2)}, "prompt required"),
        ({"prompt": "x"}, "state required .*: prompt"),
    ):
        with pytest.raises(ValueError, match=message):
            fast_tokens.TokenizeFASTInputs(tokenizer())(sample)


def test_without_actions_the_same_object_comes_back():
    sample = {"state": np.zeros(2)}
    assert fast_tokens.ExtractFASTActions(tokenizer(), 3, 4)(sample) is sample


def test_answers_that_are_no_tokens_give_zeros():
    answer = np.array([437.0, 814.0, np.nan, -5.0, 1e12], np.float32)
    actions = fast_tokens.ExtractFASTActions(tokenizer(), 3, 4)({"actions": answer})["actions"]
    np.testing.assert_array_equal(actions, np.zeros((3, 4), np.float32), strict=True)


def test_other_tokenizers_fit():
    bins = binning.BinningTokenizer("small", max_len=30, vocab_size=2000)
    sample = fast_tokens.TokenizeFASTInputs(bins)({"prompt": np.asarray("reach"), "state": np.zeros(2)})
    assert sample["token_ar_mask"].shape == (30,) and not sample["token_loss_mask"].any()
    with pytest.raises(NotImplementedError):
        fast_tokens.TokenizeFASTInputs(bins)({"prompt": "reach", "state": np.zeros(2), "actions": np.zeros((1, 2))})
