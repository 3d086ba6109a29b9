import csv

import pytest

from openpi.robots.droid import results


@pytest.mark.parametrize(
    ("answer", "value"),
    [("y", 1.0), (" N ", 0.0), ("0", 0.0), ("1", 0.01), ("75", 0.75), ("100%", 1.0)],
)
def test_answers_are_scores(answer, value):
    assert results.score(answer) == value


@pytest.mark.parametrize("answer", ["", "yes", "101", "-1", "0.5", "٣", "1e1"])
def test_other_answers_are_asked_again(answer):
    assert results.score(answer) is None


def test_each_rollout_is_a_line_at_once(tmp_path):
    kept = results.Results(tmp_path / "results")
    assert kept.next_video().name == "results_001_rollout_001.mp4"
    kept.add('put "it", there', 1.0, 12)
    kept.add("again", 0.25, 600)
    rows = list(csv.reader(kept.path.open(encoding="utf-8")))
    assert rows == [
        ["rollout", "instruction", "success", "steps", "video"],
        ["1", 'put "it", there', "1", "12", "results_001_rollout_001.mp4"],
        ["2", "again", "0.25", "600", "results_001_rollout_002.mp4"],
    ]
    assert kept.report() == f"2 rollouts, mean success 0.62: {kept.path}"
    kept.close()


def test_earlier_results_are_left_as_they_are(tmp_path):
    paths = []
    for _ in range(3):
        kept = results.Results(tmp_path)
        paths.append(kept.path.name)
        kept.close()
    assert paths == ["results_001.csv", "results_002.csv", "results_003.csv"]
