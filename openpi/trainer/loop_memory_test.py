import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.trainer import loop_memory

NUMBERS = st.floats(width=32, allow_nan=False)


@given(
    st.lists(st.dictionaries(st.sampled_from(["loss", "grad_norm", "skipped"]), NUMBERS), max_size=3),
    st.lists(st.tuples(st.integers(0, 1 << 40), NUMBERS, NUMBERS), max_size=3),
    st.integers(0, 9),
)
def test_round_trip(pending, recent, skips):
    memory = loop_memory.Memory(pending, recent, skips)
    assert loop_memory.loads(loop_memory.dumps(memory)) == memory


def test_an_old_checkpoint_has_none():
    assert loop_memory.loads(None) == loop_memory.NOTHING


GOOD = {"version": 1, "pending": [{"loss": 1.0}], "recent": [[3, 1.0, 2.0]], "skips": 0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (b"\xff", "is no JSON"),
        (b"{", "is no JSON"),
        ({"version": 2}, "not of version 1"),
        ({"pending": {}}, "does not hold"),
        ({"pending": [1.0]}, "does not hold"),
        ({"pending": [{"loss": "1"}]}, "does not hold"),
        ({"recent": [[1, 2.0]]}, "does not hold"),
        ({"recent": [[1, 2.0, None]]}, "does not hold"),
        ({"skips": None}, "does not hold"),
    ],
)
def test_what_is_damaged_is_told_in_a_line(change, words):
    text = change if isinstance(change, bytes) else json.dumps(GOOD | change).encode()
    with pytest.raises(ValueError, match=words) as error:
        loop_memory.loads(text)
    assert "\n" not in str(error.value)
