import logging

import numpy as np
import pytest

from openpi.tokenizers import action_text

_STATE = np.array([-1.5, 0.0, 1.0])


@pytest.fixture(scope="module")
def text():
    return action_text.ActionText("small", max_len=64, vocab_size=2000)


def written(text, arrays):
    return text._processor.decode(arrays[0][arrays[1]].tolist())


def test_the_text(text):
    arrays = text.tokenize(" Pick_Up\nthe cube ", _STATE, [0, 1023])
    assert written(text, arrays) == "Task: pick up\nthe cube, State: -1 128 255;\nAction: <loc1023><loc0000>|"
    tokens, mask, ar_mask, loss_mask = arrays
    assert tokens[0] == 2 and tokens[mask][-1] == 1  # beginning and end
    assert written(text, (tokens, loss_mask)) == "Action: <loc1023><loc0000>|"
    np.testing.assert_array_equal(ar_mask == 1, loss_mask)


def test_without_actions_the_model_goes_on(text):
    tokens, mask, ar_mask, loss_mask = text.tokenize("reach", _STATE)
    assert written(text, (tokens, mask)) == "Task: reach, State: -1 128 255;\n"
    assert tokens[mask][-1] != 1 and not ar_mask.any() and not loss_mask.any()
    no_actions = text.tokenize("reach", _STATE, [])
    assert written(text, no_actions) == "Task: reach, State: -1 128 255;\nAction: |"


@pytest.mark.parametrize("prompt", ["", "🤖 İ ß", "\n\n", "\x00", "reach " * 1667], ids=lambda p: repr(p[:8]))
def test_odd_prompts(text, prompt):
    arrays = text.tokenize(prompt, _STATE)
    assert [array.shape for array in arrays] == [(64,)] * 4
    if len(prompt) < 10:
        assert written(text, arrays) == f"Task: {prompt.lower().strip()}, State: -1 128 255;\n"


def test_only_the_first_long_text_is_warned_about(caplog):
    short = action_text.ActionText("small", max_len=20, vocab_size=2000)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tokens, *masks = short.tokenize("reach", _STATE, range(100))
    assert len(caplog.records) == 1 and "tokens, more than max_token_len=20" in caplog.text
    assert all(array.shape == (20,) for array in (tokens, *masks)) and tokens.all()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Action: <loc1023><loc0003>|", [0, 1020]),
        ("words Action: <loc1023> |<loc0000>|", [0]),
        ("Action: |", []),
        ("Action:<loc1023>|", None),
        ("", None),
    ],
)
def test_action_ids(text, answer, expected):
    assert text.action_ids(np.array(text._processor.encode(answer), np.int64)) == expected


@pytest.mark.parametrize(
    ("tokens", "message"), [([-1], "token -1"), ([5, 2000], "token 2000"), ([592], "no 'Action: '")]
)
def test_an_answer_without_actions_is_warned_about(text, tokens, message, caplog):
    with caplog.at_level(logging.WARNING):
        assert text.action_ids(np.array(tokens)) is None
    assert message in caplog.text and len(caplog.records) == 1
