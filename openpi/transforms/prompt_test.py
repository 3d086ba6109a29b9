import pathlib

import numpy as np
import pytest

from openpi.tokenizers import paligemma
from openpi.transforms import golden_cases, prompt

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "InjectDefaultPrompt"), ids=lambda case: case.id)
def test_inject_golden(case):
    golden_cases.run(case, lambda: prompt.InjectDefaultPrompt(**case.args))


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "PromptFromLeRobotTask"), ids=lambda case: case.id)
def test_from_task_golden(case):
    tasks = {int(index): text for index, text in case.args["tasks"].items()}
    golden_cases.run(case, lambda: prompt.PromptFromLeRobotTask(tasks))


def test_from_task_names_the_unknown_index():
    with pytest.raises(ValueError, match="task_index=7 not found"):
        prompt.PromptFromLeRobotTask({0: "a"})({"task_index": np.array(7)})


def test_from_task_prefers_the_samples_own_text():
    from_task = prompt.PromptFromTask({0: "lift", 1: "place"})
    assert from_task({"task": "reach", "task_index": np.array(1)})["prompt"] == "reach"
    assert from_task({"task_index": np.array(1), "prompt": "stale"})["prompt"] == "place"
    assert from_task({"task": None, "task_index": 0})["prompt"] == "lift"
    with pytest.raises(ValueError, match="no task_index in the sample, which has: state; unset data.prompt_from_task"):
        from_task({"state": 0})


@pytest.mark.parametrize("case", golden_cases.load(_DIRECTORY, "TokenizePrompt"), ids=lambda case: case.id)
def test_tokenize_golden(case):
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=case.args["max_len"], vocab_size=2000)
    golden_cases.run(case, lambda: prompt.TokenizePrompt(tokenizer, case.args["discrete_state_input"]))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"state": np.zeros(2)}, "prompt required"),
        ({"prompt": "x"}, "state required"),
        ({"prompt": b"x"}, "must be one text, .*; got bytes"),
        ({"prompt": 5}, "must be one text, .*; got int"),
        ({"prompt": np.array(["x", "y"])}, "must be one text, .*; got ndarray"),
    ],
)
def test_tokenize_names_what_is_missing(sample, message):
    tokenizer = paligemma.PaligemmaTokenizer("small", vocab_size=2000)
    with pytest.raises(ValueError, match=message):
        prompt.TokenizePrompt(tokenizer, discrete_state_input=True)(sample)


def test_the_state_is_no_part_of_the_prompt_unless_asked_for():
    tokenizer = paligemma.PaligemmaTokenizer("small", max_len=20, vocab_size=2000)
    expected, _ = tokenizer.tokenize("reach")
    sample = prompt.TokenizePrompt(tokenizer)({"prompt": "reach", "state": np.zeros(2)})
    np.testing.assert_array_equal(sample["tokenized_prompt"], expected)
