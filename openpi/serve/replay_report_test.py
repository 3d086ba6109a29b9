import json
import re

import numpy as np
import pytest
from PIL import Image

from openpi.serve import replay_report

_NAMES = ["waist", "gripper"]


def _report():
    report = replay_report.Report(names=_NAMES, noise={"recorded": 2})
    reference = np.zeros((3, 2))
    report.add("a-1", reference + [[0.1, 0], [0, 0], [0, 0]], reference)
    report.add("a-2", reference + [[0, 0], [0, -0.5], [0.3, 0]], reference)
    report.latencies["replayed, request"] = [1.0, 3.0]
    return report


def test_figures_of_each_joint():
    told = replay_report.to_json(_report())
    assert told["largest"] == 0.5
    assert told["worst"] == {"request": "a-2", "step": 1, "joint": "gripper"}
    assert [joint["name"] for joint in told["joints"]] == _NAMES
    waist, gripper = told["joints"]
    assert waist["first_step"]["max"] == pytest.approx(0.1)
    assert waist["first_step"]["mean"] == pytest.approx(0.05)
    assert waist["chunk"]["max"] == pytest.approx(0.3)
    assert waist["chunk"]["mean"] == pytest.approx(0.4 / 6)
    assert waist["chunk"]["p50"] == 0
    assert gripper["first_step"]["max"] == 0
    assert told["latency_ms"]["replayed, request"]["mean"] == 2
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    lines = replay_report.table(told).splitlines()
    assert lines[1].split() == ["joint", *["mean", "p50", "p99", "max"] * 2]
    assert lines[2].split()[0] == "waist"
    assert lines[2].split()[4] == "0.1"
    assert "replayed, request: p50 2.0 ms" in lines[4]


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (None, "the replayed answer has no actions"),
        (np.array(["a"]), "the replayed answer has no actions"),
        (np.zeros((0, 2)), "the replayed answer has no actions"),
        (np.full((3, 2), np.nan), "the replayed actions are not finite"),
        (np.zeros((4, 2)), r"replayed actions are \[4, 2\], the reference \[3, 2\]"),
    ],
)
def test_what_cannot_be_compared_has_failed(actions, text):
    report = replay_report.Report(names=_NAMES)
    report.add("a-1", actions, np.zeros((3, 2)))
    told = replay_report.to_json(report)
    assert (told["requests"], told["largest"], told["joints"]) == (1, None, [])
    assert told["failed"][0]["request"] == "a-1"
    assert re.search(text, told["failed"][0]["error"])
    assert "failed a-1: " in replay_report.table(told)
    with pytest.raises(ValueError, match="no request could be compared"):
        replay_report.draw(report, "none.png")


def test_whole_numbers_do_not_wrap_around():
    found = replay_report.difference(np.zeros((1, 1), np.uint8), np.ones((1, 1), np.uint8), 1)
    np.testing.assert_array_equal(found, [[1]])


def test_draws_a_panel_for_each_joint(tmp_path):
    report = _report()
    replay_report.draw(report, tmp_path / "a.png")
    replay_report.draw(replay_report.Report(names=_NAMES, compared=report.compared[:1]), tmp_path / "b.png")
    one, other = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    assert one.std() > 10
    assert (one != other).any()
