"""Where the prompt comes from, and how it becomes tokens."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import numpy as np


@dataclasses.dataclass(frozen=True)
class InjectDefaultPrompt:
    """Adds `prompt` (a 0-d string array) to samples that have none; None adds nothing."""

    prompt: str | None

    def __call__(self, data: dict) -> dict:
        if self.prompt is None or "prompt" in data:
            return data
        return {**data, "prompt": np.asarray(self.prompt)}


@dataclasses.dataclass(frozen=True)
class PromptFromLeRobotTask:
    """Sets `prompt` to the text of the dataset's task that the sample's `task_index` names.

    Attributes:
      tasks: the dataset's texts by task index.
    """

    tasks: Mapping[int, str]

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if the sample has no task_index, or one without a text."""
        if "task_index" not in data:
            raise ValueError(
                f"no task_index in the sample, which has: {', '.join(sorted(data))}; unset data.prompt_from_task"
            )
        index = int(data["task_index"])
        if index not in self.tasks:
            raise ValueError(f"task_index={index} not found among the dataset's tasks: {dict(self.tasks)}")
        return {**data, "prompt": self.tasks[index]}


@dataclasses.dataclass(frozen=True)
class PromptFromTask:
    """Sets `prompt` to the sample's own `task`, a text; a sample without one gets the text of its `task_index`.

    Attributes:
      tasks: the dataset's texts by task index. Each dataset of a mixture has others, so that a sample's own text is safer.
    """

    tasks: Mapping[int, str]

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if the sample has neither, or an index without a text."""
        if isinstance(data.get("task"), str):
            return {**data, "prompt": data["task"]}
        return PromptFromLeRobotTask(self.tasks)(data)


class PromptTokenizer(Protocol):
    """What TokenizePrompt needs from a tokenizer."""

    def tokenize(self, prompt: str, state: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns token ids int64 [L] and a mask bool [L] of those that are not padding."""


@dataclasses.dataclass(frozen=True)
class TokenizePrompt:
    """Replaces `prompt` by `tokenized_prompt` int64 [L] and `tokenized_prompt_mask` bool [L].

    Attributes:
      tokenizer: turns text into tokens.
      discrete_state_input: whether the (normalized) state is written into the prompt.
    """

    tokenizer: PromptTokenizer
    discrete_state_input: bool = False

    def __call__(self, data: dict) -> dict:
        """Raises ValueError if the prompt, or a state that the prompt should hold, is missing."""
        text, rest = take_prompt(data)
        state = None
        if self.discrete_state_input:
            state = rest.get("state")
            if state is None:
                raise ValueError(
                    f"state required in the prompt (discrete_state_input), the sample has: {', '.join(sorted(data))}"
                )
        tokens, mask = self.tokenizer.tokenize(text, state)
        return {**rest, "tokenized_prompt": tokens, "tokenized_prompt_mask": mask}


def take_prompt(data: dict) -> tuple[str, dict]:
    """Returns the prompt, which may be a str or a 0-d string array, and the sample without it.

    Raises:
      ValueError: there is none, or it is not one text.
    """
    rest = dict(data)
    prompt = rest.pop("prompt", None)
    if prompt is None:
        raise ValueError(
            "prompt required: send one with each observation, or set config.data.default_prompt (in training also "
            "config.data.prompt_from_task, with 'prompt' in config.data.repack)"
        )
    if isinstance(prompt, np.ndarray) and prompt.size == 1:
        prompt = prompt.item()
    if not isinstance(prompt, str):
        raise ValueError(f"prompt must be one text, a str or a 0-d string array; got {type(prompt).__name__}")
    return prompt, rest
