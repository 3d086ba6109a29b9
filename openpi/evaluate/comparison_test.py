import json

import pytest

from openpi.evaluate import comparison, episode, results

_CONDITIONS = {"seed": 0, "split": "test", "policy_hz": 10}


def _results(source, successes, conditions=_CONDITIONS, policy="p"):
    episodes = [
        episode.Episode(policy=f"{policy} {source}", task=task, episode=i, success=done, steps=1, seconds=0.1)
        for task, marks in successes.items()
        for i, done in enumerate(marks)
    ]
    return results.Results(source=source, conditions=conditions, episodes=episodes)


def test_a_row_a_task_and_one_of_all():
    a = _results("a.json", {"reach": [True] * 8 + [False] * 2, "pick": [True, False, False, True]})
    b = _results("b.json", {"pick": [True, False, True], "reach": [False] * 6 + [True] * 4})
    compared = comparison.between(a, b)
    reach, pick, every = compared["rows"]
    assert (reach["task"], reach["both"], reach["first"], reach["second"], reach["neither"]) == ("reach", 2, 6, 2, 0)
    assert reach["difference"] == pytest.approx(0.4)
    assert reach["p"] == pytest.approx(2 * (1 + 8 + 28) / 2**8)
    assert (pick["pairs"], pick["both"], pick["first"], pick["second"]) == (3, 1, 0, 1)
    assert (every["task"], every["pairs"], every["first"]) == ("all", 13, 6)
    assert compared["left_out"] == 1  # the fourth pick
    assert json.loads(json.dumps(compared, allow_nan=False)) == compared
    lines = comparison.table(compared).splitlines()
    assert lines[0] == "A = p a.json (a.json)"
    points = f"+40 ({100 * reach['low95']:+.0f} to {100 * reach['high95']:+.0f})".split()
    assert lines[3].split() == ["reach", "10", "80", "%", "40", "%", *points, "6", "2", "0.289"]
    assert lines[-1].startswith("1 episodes that only one")


def test_policies_of_one_file():
    both = _results("a.json", {"reach": [True, True]})
    other = _results("a.json", {"reach": [True, False]}, policy="untrained")
    one = results.Results(source="a.json", conditions=_CONDITIONS, episodes=[*both.episodes, *other.episodes])
    compared = comparison.between(one, one, second_policy="untrained a.json")
    assert (compared["first"]["policy"], compared["second"]["policy"]) == ("p a.json", "untrained a.json")
    assert [row["task"] for row in compared["rows"]] == ["reach"]
    assert compared["rows"][0]["difference"] == 0.5
    assert "left out" not in comparison.table(compared)


def test_other_starts_are_refused():
    a = _results("a.json", {"reach": [True]})
    for name in _CONDITIONS:
        with pytest.raises(ValueError, match=f"a.json and b.json differ in {name}, .* and 99: .* other starts"):
            comparison.between(a, _results("b.json", {"reach": [True]}, _CONDITIONS | {name: 99}))
    with pytest.raises(ValueError, match="no episode in common"):
        comparison.between(a, _results("b.json", {"pick": [True]}))
