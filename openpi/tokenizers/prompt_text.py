"""The words around a prompt."""

import numpy as np

from openpi.tokenizers import state_bins


def clean(prompt: str) -> str:
    """The prompt without white space around it, every "_" a space.

    Raises:
      ValueError: it is not valid Unicode (a lone surrogate, from broken JSON).
    """
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the prompt is not valid Unicode: {error}") from None
    return prompt.strip().replace("_", " ")


def task_and_state(task: str, state: np.ndarray) -> str:
    """`Task: TASK, State: BINS;` and a newline; the state is normalized float [A], before padding."""
    return f"Task: {task}, State: {' '.join(map(str, state_bins.discretize(state)))};\n"
