import dataclasses
import json

import pytest

from openpi.evaluate import episode, report


def _row(policy, distances, task="reach"):
    episodes = [
        episode.Episode(
            policy=policy,
            task=task,
            episode=i,
            success=distance is not None and distance <= 0.03,
            steps=25,
            seconds=0.5,
            complete=distance is not None,
            distance=distance,
        )
        for i, distance in enumerate(distances)
    ]
    return report.Row(policy, task, episodes)


_ROWS = [
    _row("trained", [0.01] * 77 + [0.025] * 16 + [0.2] * 7),
    _row("untrained", [None, 0.4]),
    _row("hopeless", [None]),
]


def test_table_has_rates_with_their_intervals():
    lines = report.table(_ROWS).splitlines()
    assert lines[0].split("  ")[0] == "policy"
    assert "task" not in lines[0]
    # Wilson intervals of 77 and 93 in 100, as given by scipy.
    assert "77 % (68-84)" in lines[1]
    assert "93 % (86-97)" in lines[1]
    assert "2.6 cm" in lines[1]
    assert "0 % (0-66)" in lines[2]
    assert "40.0 cm, 1 broken" in lines[2]
    assert "-, 1 broken" in lines[3]
    assert len({line.index("% (") for line in lines[1:]}) <= 2  # Columns stand below each other.


def test_table_of_tasks_that_measure_no_distance():
    done = [dataclasses.replace(each, distance=None) for each in _row("trained", [0.01, 0.2], "pick").episodes]
    lines = report.table([*_ROWS[:1], report.Row("trained", "pick", done)]).splitlines()
    assert lines[0].split() == ["policy", "task", "success", "steps"]
    assert lines[1].split() == ["trained", "reach", "93", "%", "(86-97)", "25.0"]  # as the task calls it
    assert lines[2].split() == ["trained", "pick", "50", "%", "(9-91)", "25.0"]


def test_rows_are_in_order_whatever_the_order_of_episodes():
    mixed = [*reversed(_ROWS[0].episodes), *_ROWS[1].episodes, *_row("trained", [0.1], "pick").episodes]
    rows = report.rows(mixed)
    assert [(row.policy, row.task) for row in rows] == [
        ("trained", "reach"),
        ("untrained", "reach"),
        ("trained", "pick"),
    ]
    assert rows[0] == _ROWS[0]


def test_json_says_everything_and_is_strict(tmp_path):
    content = report.to_json(_ROWS, conditions={"seed": 3}, command=["evaluate"], versions=report.versions())
    report.write_json(tmp_path / "deep" / "results.json", content)
    read = json.loads((tmp_path / "deep" / "results.json").read_text(), parse_constant=pytest.fail)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]
    assert (read["command"], read["conditions"]) == (["evaluate"], {"seed": 3})
    assert {"python", "numpy"} <= read["versions"].keys()
    trained, untrained, hopeless = read["rows"]
    assert [found["successes"] for found in trained["success"]] == [77, 93]
    assert [found["tolerance"] for found in trained["success"]] == [0.02, 0.03]
    assert trained["mean_distance"] == pytest.approx(0.0257)
    assert len(trained["episodes"]) == 100
    assert untrained["episodes"][0] == {
        "episode": 0,
        "success": False,
        "steps": 25,
        "seconds": 0.5,
        "complete": False,
        "distance": None,
    }
    assert (untrained["broken_episodes"], untrained["mean_distance"]) == (1, 0.4)
    assert hopeless["mean_distance"] is None
    picked = report.to_json([_row("trained", [0.01], "pick")], conditions={})["rows"][0]
    assert [(found["tolerance"], found["successes"]) for found in picked["success"]] == [(None, 1)]
