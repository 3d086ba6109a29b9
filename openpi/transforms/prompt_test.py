import pathlib

import numpy as np
import pytest

from openpi.transforms import golden_cases
from openpi.transforms import prompt

_DIRECTORY = pathlib.Path(__file__).parent / "testdata"


class _Letters:
    """A tokenizer whose tokens are the prompt's letters, then the state's numbers."""

    def tokenize(self, text, state=None):
        tokens = np.array([*map(ord, text), *([] if state is None else state)], np.int64)
        return tokens, np.ones(len(tokens), bool)


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


@pytest.mark.parametrize("text", ["ab", np.asarray("ab")])
@pytest.mark.parametrize(("discrete_state_input", "expected"), [(False, [97, 98]), (True, [97, 98, 5])])
def test_tokenize_replaces_the_prompt(text, discrete_state_input, expected):
    sample = {"prompt": text, "state": np.array([5])}
    result = prompt.TokenizePrompt(_Letters(), discrete_state_input)(sample)
    assert sorted(result) == ["state", "tokenized_prompt", "tokenized_prompt_mask"]
    assert result["tokenized_prompt"].tolist() == expected
    assert sorted(sample) == ["prompt", "state"]


@pytest.mark.parametrize(
    ("sample", "message"),
    [({"state": np.zeros(2)}, "prompt required"), ({"prompt": "x"}, "state required")],
)
def test_tokenize_names_what_is_missing(sample, message):
    with pytest.raises(ValueError, match=message):
        prompt.TokenizePrompt(_Letters(), discrete_state_input=True)(sample)
