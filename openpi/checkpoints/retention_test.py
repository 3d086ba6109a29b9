import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.checkpoints import retention
from openpi.checkpoints.retention import Retention

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "rule", "want"),
    [
        ({}, Retention(), set()),
        ({3: None, 10: None, 7: None}, Retention(), {10}),
        ({3: None, 10: None, 7: None}, Retention(latest=2), {7, 10}),
        ({3: None}, Retention(latest=5), {3}),
        ({0: None, 5: None, 7: None, 10: None, 12: None}, Retention(every=5), {0, 5, 10, 12}),
        ({1: 0.5, 2: 0.2, 3: 0.4, 4: 0.9}, Retention(best=2), {2, 3, 4}),
        ({1: None, 2: 0.2, 3: 0.4, 4: None}, Retention(best=1), {2, 4}),
        ({1: NAN, 2: 0.9, 3: None}, Retention(best=2), {2, 3}),  # what has no score is not the best
        ({1: 0.2, 2: 0.2, 3: 0.3}, Retention(best=1), {2, 3}),
        ({1: 0.1, 2: None, 4: 0.5, 5: None, 6: None}, Retention(latest=2, every=2, best=1), {1, 2, 4, 5, 6}),
    ],
)
def test_what_is_kept(scores, rule, want):
    assert retention.kept(scores, rule) == want


@given(
    st.dictionaries(st.integers(0, 50), st.none() | st.floats(allow_nan=True)),
    st.builds(Retention, st.integers(1, 4), st.integers(0, 7), st.integers(0, 4)),
)
def test_dropping_step_by_step_is_dropping_at_once(scores, rule):
    """A best or a latest one of all is one of those that were there before."""
    present = {}
    for step in sorted(scores):
        present[step] = scores[step]
        present = {kept: present[kept] for kept in retention.kept(present, rule)}
    assert present.keys() == retention.kept(scores, rule)


@pytest.mark.parametrize("wrong", [{"latest": 0}, {"every": -1}, {"best": -1}])
def test_a_rule_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="must keep the latest checkpoint"):
        Retention(**wrong)
