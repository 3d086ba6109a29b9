import matplotlib.image
import pytest

from openpi.benchmarks import fork, late_answers, late_comparison
from openpi.policies import create, tiny_checkpoint
from openpi.sims.aloha import tasks as tasks_lib

_WAYS = list(late_answers.WAYS)


@pytest.fixture(scope="module")
def rows():
    make = lambda: (fork.ForkEnvironment(0), fork.ForkPolicy(0))
    return late_comparison.compare(make, [1, 3], fork.REPLAN_STEPS, episodes=40)


def test_each_delay_has_a_row_of_each_way(rows):
    assert [(row["delay_ms"], row["way"]) for row in rows] == [(ms, way) for ms in (100, 300) for way in _WAYS]
    text = late_comparison.table("fork", rows)
    assert len(text.splitlines()) == 1 + len(rows)
    assert "300 ms" in text


def test_real_time_chunking_is_smoother_and_succeeds_more_often(rows):
    for first in (0, len(_WAYS)):
        found = {row["way"]: row for row in rows[first : first + len(_WAYS)]}
        plain, led, pausing = (found[way] for way in ("switching", "real-time chunking", "synchronous"))
        assert led["success"] > plain["success"] + 0.05
        for measure in ("jumps", "bends"):
            assert led[measure]["ratio"] < 0.9 * plain[measure]["ratio"]
        assert led["departures"]["mean"] < 0.5 * plain["departures"]["mean"]
        assert led["steps_of_successes"] < pausing["steps_of_successes"] - 3  # it does not stand still


def test_the_same_episodes_give_the_same_figures(rows):
    make = lambda: (fork.ForkEnvironment(0), fork.ForkPolicy(0))
    assert late_comparison.compare(make, [3], fork.REPLAN_STEPS, episodes=40) == rows[len(_WAYS) :]


def test_a_checkpoint_is_driven_by_every_way(tmp_path):
    policy = create.create_policy(None, tiny_checkpoint.write(tmp_path))
    make = lambda: (tasks_lib.make("reach", height=56, width=56), policy)
    rows = late_comparison.compare(make, [2], 4, episodes=1)
    assert [row["way"] for row in rows] == _WAYS
    assert all(row["jumps"]["seams"] > 2 for row in rows)


def test_the_picture(rows, tmp_path):
    path = tmp_path / "chunks.png"
    late_comparison.draw(str(path), {"fork": rows})
    height, width = matplotlib.image.imread(path).shape[:2]
    assert width > 3 * height
