import numpy as np
import pytest

from openpi.tokenizers import prompt_text


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("  Pick_up the_cube \n", "Pick up the cube"),
        ("fold\nthe towel", "fold\nthe towel"),
        ("_", " "),
        ("", ""),
        ("🤖", "🤖"),
    ],
)
def test_clean(prompt, expected):
    assert prompt_text.clean(prompt) == expected


def test_a_lone_surrogate_is_one_clear_line():
    with pytest.raises(ValueError, match=r"^the prompt is not valid Unicode: .*\\ud800.*position 1"):
        prompt_text.clean("a\ud800")


def test_the_state_is_spelled_out_in_bins():
    state = np.array([-1.5, -1.0, 0.0, 0.99, 1.0, 2.0])
    assert prompt_text.task_and_state("reach", state) == "Task: reach, State: -1 0 128 254 255 255;\n"
