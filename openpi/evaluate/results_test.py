import json

import pytest

from openpi.evaluate import results

_DONE = {"success": True, "steps": 25, "seconds": 0.5}


def _write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_reads_rows_of_policies_and_tasks(tmp_path):
    rows = [
        {"policy": "trained", "task": "reach", "episodes": [{"episode": 0, **_DONE}, {"episode": 1, **_DONE}]},
        {"policy": "untrained", "task": "reach", "episodes": [{"episode": 0, **_DONE, "success": False}]},
        {"policy": "trained", "task": "pick", "episodes": [{"episode": 0, **_DONE}]},
    ]
    read = results.read(_write(tmp_path / "results.json", {"conditions": {"seed": 3}, "rows": rows, "more": 1}))
    assert read.conditions == {"seed": 3}
    assert read.policies == ["trained", "untrained"]
    assert set(read.of(None)) == {("reach", 0), ("reach", 1), ("pick", 0)}
    assert not read.of("untrained")["reach", 0].success
    with pytest.raises(ValueError, match=r"has no policy 'x'; it has: trained, untrained"):
        read.of("x")


def test_reads_what_another_program_wrote(tmp_path):
    episodes = [{"task": task, "episode": 0, **_DONE} for task in ("bowl", "plate")]
    read = results.read(_write(tmp_path / "libero.json", {"policy": "pi05_libero", "episodes": episodes}))
    assert [episode.key for episode in read.episodes] == [("pi05_libero", "bowl", 0), ("pi05_libero", "plate", 0)]
    assert read.conditions == {}


def test_an_episode_that_stands_there_twice(tmp_path):
    twice = {"policy": "p", "task": "reach", "episodes": [{"episode": 4, **_DONE}] * 2}
    with pytest.raises(ValueError, match="has episode 4 of 'reach' twice for 'p'"):
        results.read(_write(tmp_path / "results.json", twice)).of("p")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("no", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ([], "neither rows nor episodes"),
        ({}, "a row of it has no list of episodes"),
        ({"rows": [3]}, "neither rows nor episodes"),
        ({"rows": [{"episodes": {}}]}, "no list of episodes"),
        ({"episodes": [3]}, "no list of episodes"),
        ({"rows": []}, "it has no episodes"),
        ({"episodes": [{"task": "x", "episode": 0, **_DONE}]}, "policy of an episode must be a name, and is None"),
    ],
)
def test_what_tells_no_results(tmp_path, content, text):
    with pytest.raises(ValueError, match=text):
        results.read(_write(tmp_path / "results.json", content))
