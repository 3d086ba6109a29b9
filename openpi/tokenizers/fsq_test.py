import json
import logging
import pathlib
import pickle

import numpy as np
import pytest

from openpi.tokenizers import fsq, fsq_config

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"
_FACTS = json.loads((_DIRECTORY / "fsq_wrapper.json").read_text())


@pytest.fixture(scope="module")
def golden():
    with np.load(_DIRECTORY / "fsq_wrapper.npz", allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


@pytest.fixture(scope="module")
def params(golden):
    """The golden parameters; those of the encoder, which inference does not use, are zeros."""
    shapes = fsq_config.FsqConfig.from_dict(_FACTS["config"]).shapes()
    unused = ("encoder/", "proj/", "codebook/proj_down/")
    assert {path for path in shapes if f"params/{path}" not in golden} == {
        path for path in shapes if path.startswith(unused)
    }
    return {path: golden.get(f"params/{path}", np.zeros(shape, np.float32)) for path, shape in shapes.items()}


@pytest.fixture(scope="module")
def tokenizer(params):
    return fsq.FsqTokenizer("small", _FACTS["config"], params, max_len=_FACTS["max_len"], vocab_size=2000)


def answer(tokenizer, ids):
    """A model's answer that holds these action ids."""
    processor = tokenizer._text._processor
    return np.array([*processor.encode("Action: "), *(1871 - token for token in ids), *processor.encode("|")])


def test_tokenize_golden(tokenizer, golden):
    arrays = tokenizer.tokenize(_FACTS["prompt"], golden["state"])
    for got, name in zip(arrays, ("tokens", "token_mask", "ar_mask", "loss_mask"), strict=True):
        np.testing.assert_array_equal(got, golden[f"tokenize/{name}"], strict=True)


def test_extract_golden(tokenizer, golden):
    actions = tokenizer.extract_actions(golden["extract/tokens"], _FACTS["action_horizon"], _FACTS["action_dim"])
    np.testing.assert_allclose(actions, golden["extract/actions"], rtol=1e-4, atol=5e-5, strict=True)
    tokens = answer(tokenizer, golden["extract/action_ids"])
    np.testing.assert_array_equal(tokenizer.extract_actions(tokens, 3, 4), actions)


@pytest.mark.parametrize("ids", [[], [5], [5] * 3, [5] * 5])
def test_a_wrong_number_of_tokens_gives_zeros_and_a_warning(tokenizer, ids, caplog):
    with caplog.at_level(logging.WARNING):
        actions = tokenizer.extract_actions(answer(tokenizer, ids), 3, 4)
    np.testing.assert_array_equal(actions, np.zeros((3, 4)), strict=True)
    assert f"FSQ tokens are [B, 4], and have the shape (1, {len(ids)})" in caplog.text


def test_another_shape_of_chunk_gives_zeros_and_a_warning(tokenizer, golden, caplog):
    with caplog.at_level(logging.WARNING):
        actions = tokenizer.extract_actions(golden["extract/tokens"], 5, 4)
    np.testing.assert_array_equal(actions, np.zeros((5, 4)), strict=True)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("tokens", [[-1], [2000], [592], []])
def test_an_answer_without_actions_gives_zeros_and_a_warning(tokenizer, tokens, caplog):
    with caplog.at_level(logging.WARNING):
        actions = tokenizer.extract_actions(np.array(tokens, np.int32), 3, 4)
    np.testing.assert_array_equal(actions, np.zeros((3, 4), np.float32), strict=True)
    assert len(caplog.records) == 1


def test_actions_are_not_encoded(tokenizer):
    with pytest.raises(NotImplementedError, match="does not encode actions"):
        tokenizer.tokenize("x", np.zeros(2), np.zeros((3, 4)))


def test_parameters_of_another_network_are_refused(params):
    with pytest.raises(ValueError, match=r"FSQ tokenizer: parameter decoder/y_pos_enc has shape \(4, 64\)"):
        fsq.FsqTokenizer("small", _FACTS["config"] | {"num_tokens": 5}, params, vocab_size=2000)


def test_a_tokenizer_can_be_sent_to_a_worker(tokenizer, golden):
    copied = pickle.loads(pickle.dumps(tokenizer))
    expected = tokenizer.extract_actions(golden["extract/tokens"], 3, 4)
    np.testing.assert_array_equal(copied.extract_actions(golden["extract/tokens"], 3, 4), expected)
