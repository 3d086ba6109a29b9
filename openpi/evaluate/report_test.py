import json

import pytest

from openpi.evaluate import report, rollout


def _row(name, distances, complete=True):
    return report.Row(name, [rollout.Episode(i, d, complete and d < 9, 25) for i, d in enumerate(distances)])


_ROWS = [
    _row("trained", [0.01] * 77 + [0.025] * 16 + [0.2] * 7),
    _row("untrained", [float("inf"), 0.4]),
    _row("hopeless", [float("inf")]),
]


def test_table_has_rates_with_their_intervals():
    lines = report.table(_ROWS).splitlines()
    assert lines[0].split("  ")[0] == "policy"
    # Wilson intervals of 77 and 93 in 100, as given by scipy.
    assert "77 % (68-84)" in lines[1]
    assert "93 % (86-97)" in lines[1]
    assert "2.6 cm" in lines[1]
    assert "0 % (0-66)" in lines[2]
    assert "40.0 cm, 1 broken" in lines[2]
    assert "-, 1 broken" in lines[3]
    assert len({line.index("% (") for line in lines[1:]}) <= 2  # Columns stand below each other.


def test_json_says_everything_and_is_strict(tmp_path):
    content = report.to_json(_ROWS, command=["evaluate", "--seed=3"], conditions={"seed": 3})
    report.write_json(tmp_path / "deep" / "results.json", content)
    read = json.loads((tmp_path / "deep" / "results.json").read_text(), parse_constant=pytest.fail)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["results.json"]
    assert (read["command"], read["conditions"]) == (["evaluate", "--seed=3"], {"seed": 3})
    assert {"python", "numpy", "mujoco"} <= read["versions"].keys()
    trained, untrained, hopeless = read["rows"]
    assert [found["successes"] for found in trained["success"]] == [77, 93]
    assert [found["tolerance"] for found in trained["success"]] == [0.02, 0.03]
    assert trained["mean_distance"] == pytest.approx(0.0257)
    assert len(trained["episodes"]) == 100
    assert untrained["episodes"][0] == {"episode": 0, "distance": None, "complete": False, "steps": 25}
    assert (untrained["broken_episodes"], untrained["mean_distance"]) == (1, 0.4)
    assert hopeless["mean_distance"] is None
