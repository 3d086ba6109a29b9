import json

import pytest

from openpi.evaluate import report
from openpi.evaluate import results as evaluation
from openpi.robots.libero import results

_CONDITIONS = {"seed": 7, "replan_steps": 5}


def _open(path, **options):
    return results.Results(path, policy="pi05", conditions=_CONDITIONS, **options)


def _add(kept, suite, task, trial, success):
    kept.add(suite, task, f"do {task}", episode=trial, success=success, steps=100, seconds=1.5, complete=True)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep/results.json"
    kept = _open(path)
    for trial in range(4):
        _add(kept, "libero_spatial", 0, trial, success=True)
        _add(kept, "libero_spatial", 1, trial, success=trial == 0)
    _add(kept, "libero_10", 0, 0, success=False)
    return path


def test_the_file_is_whole_after_each_episode_and_tells_all(path):
    content = json.loads(path.read_text())
    assert [each.name for each in path.parent.iterdir()] == ["results.json"]
    assert content["conditions"] == _CONDITIONS
    assert content["suites"] == {
        "libero_spatial": {"successes": 5, "trials": 8, "rate": 0.625},
        "libero_10": {"successes": 0, "trials": 1, "rate": 0.0},
    }
    rows = {row["task"]: row for row in content["rows"]}
    assert list(rows) == ["libero_10: do 0", "libero_spatial: do 0", "libero_spatial: do 1"]
    assert rows["libero_spatial: do 1"]["policy"] == "pi05"
    assert rows["libero_spatial: do 1"]["episodes"][1] == {
        "episode": 1, "success": False, "steps": 100, "seconds": 1.5, "complete": True,
    }  # fmt: skip


def test_the_table(path):
    assert _open(path).table().splitlines() == [
        "  do 0              0 of     1    0.0 %",
        "libero_10           0 of     1    0.0 %",
        "  do 0              4 of     4  100.0 %",
        "  do 1              1 of     4   25.0 %",
        "libero_spatial      5 of     8   62.5 %",
        "mean of 2 suites: 31.2 %",
    ]


def test_evaluate_reads_it_and_knows_how_sure_the_rates_are(path):
    table = report.table(report.rows(evaluation.read(path).episodes)).splitlines()
    assert [line.split("  ")[0] for line in table] == ["policy", "pi05", "pi05", "pi05"]
    assert any("libero_spatial: do 1" in line and "25 % (5-70)" in line for line in table)


def test_it_is_gone_on_with(path):
    kept = _open(path)
    assert kept.has("libero_spatial", 1, 3)
    assert not kept.has("libero_spatial", 1, 4)
    assert not kept.has("libero_goal", 0, 0)
    _add(kept, "libero_spatial", 1, 4, success=True)
    assert "libero_spatial      6 of     9" in _open(path).table()
    assert not _open(path, overwrite=True).has("libero_spatial", 0, 0)


def test_an_empty_table():
    assert results.Results("nowhere", policy="p", conditions={}).table() == "mean of 0 suites: 0.0 %"


def test_other_conditions_are_refused(path):
    with pytest.raises(ValueError, match="holds episodes with seed=7, and now it is 8: set it back, choose another"):
        results.Results(path, policy="pi05", conditions={**_CONDITIONS, "seed": 8})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"conditions": {}, "rows": 3}',
        '{"conditions": {}, "rows": [{}]}',
        '{"conditions": 3, "rows": []}',
        '{"conditions": {}, "rows": [{"policy": "p", "task": "s: t", "suite": "s", "number": 0, "episodes": [{"episode": "0"}]}]}',
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match="holds no results of LIBERO"):
        _open(tmp_path / "results.json")
