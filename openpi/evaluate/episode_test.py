import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.evaluate import episode

_REACHED = episode.Episode(
    policy="server x", task="reach", episode=3, success=True, steps=25, seconds=0.7, distance=0.01
)
_names = st.text(min_size=1, max_size=50).filter(str.isprintable)
_numbers = st.floats(0, 1e300)
_episodes = st.builds(
    episode.Episode,
    policy=_names,
    task=_names,
    episode=st.integers(0, 2**53 - 1),
    success=st.booleans(),
    steps=st.integers(0, 10**6),
    seconds=_numbers,
    complete=st.booleans(),
    distance=st.none() | _numbers,
)


@given(_episodes)
def test_comes_back_from_json(before):
    assert episode.from_json(json.loads(json.dumps(episode.to_json(before), allow_nan=False))) == before


def test_another_programs_small_object_is_enough():
    small = {"policy": "pi05", "task": "pick", "episode": 0, "success": True, "steps": 12, "seconds": 3, "suite": "x"}
    read = episode.from_json(small)
    assert (read.key, read.success, read.complete, read.distance) == (("pi05", "pick", 0), True, True, None)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("policy", "", "policy of an episode must be a name"),
        ("task", 3, "task of an episode must be a name"),
        ("task", "x" * 1001, "task of an episode must be a name"),
        ("task", "a\nb", "task of an episode must be a name"),
        ("task", "\ud800", "task of an episode must be a name"),
        ("episode", -1, "episode of an episode must be a whole number"),
        ("episode", True, "whole number"),
        ("episode", 2**60, "whole number"),
        ("success", 1, "success of an episode must be true or false, and is 1"),
        ("success", None, "true or false"),
        ("steps", 2.5, "steps of an episode must be a whole number"),
        ("seconds", float("nan"), "seconds of an episode must be a number"),
        ("seconds", float("inf"), "must be a number"),
        ("complete", "yes", "complete of an episode must be true or false"),
        ("distance", "near", "distance of an episode must be a number"),
    ],
)
def test_what_is_no_episode(field, value, text):
    with pytest.raises(ValueError, match=text):
        episode.from_json(episode.to_json(_REACHED) | {field: value})


def test_what_is_no_object():
    with pytest.raises(ValueError, match=r"must be an object, and is \[1\]"):
        episode.from_json([1])


def test_success_within_a_tolerance_needs_a_complete_episode_with_a_distance():
    assert _REACHED.within(0.01)
    assert not _REACHED.within(0.009)
    assert not dataclasses.replace(_REACHED, complete=False).within(0.02)
    assert not dataclasses.replace(_REACHED, distance=None).within(0.02)
