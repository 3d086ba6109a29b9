import copy

import pytest

from openpi.benchmarks import training_seeds


def _evaluation(rate, baseline=0.05):
    def row(policy, rate):
        success = [{"tolerance": t, "trials": 100, "rate": r} for t, r in ((0.02, rate / 2), (0.03, rate))]
        return {"policy": policy, "success": success, "median_distance": 0.02}

    conditions = dict.fromkeys(
        (
            "config",
            "split",
            "seed",
            "episodes",
            "episode_steps",
            "policy_hz",
            "replan_steps",
            "checkpoint",
        ),
        1,
    )
    return {
        "task": "aloha_reach",
        "command": ["/somewhere/main.py", "--baselines"],
        "conditions": conditions,
        "versions": {},
        "rows": [
            row(f"checkpoint seed/{rate}", rate),
            row("untrained", 0.0),
            row("black image", baseline),
        ],
    }


@pytest.mark.parametrize(
    "rates, baseline, met",
    [
        ((0.9, 0.8, 0.6), 0.14, True),
        ((0.9, 0.79, 0.79), 0.0, False),  # the median
        ((0.9, 0.9, 0.59), 0.0, False),  # the worst
        ((0.9, 0.9, 0.9), 0.15, False),  # a baseline
    ],
)
def test_targets(rates, baseline, met):
    result = training_seeds.combine([_evaluation(rate, baseline) for rate in rates])
    trained = result["rows"][0]
    assert trained["policy"] == "trained"
    assert trained["success"][1]["rates"] == list(rates)
    assert trained["success"][1]["median"] == sorted(rates)[1]
    assert trained["success"][1]["minimum"] == min(rates)
    assert [row["policy"] for row in result["rows"][1:]] == ["untrained", "black image"]
    assert result["targets"]["met"] is met
    assert result["commands"] == [["//openpi/evaluate", "--baselines"]] * 3
    assert ("targets met" in training_seeds.table(result)) is met


def test_evaluations_that_cannot_be_compared_are_errors():
    other = copy.deepcopy(_evaluation(0.9))
    other["conditions"]["episodes"] = 50
    with pytest.raises(ValueError, match="differ in episodes: 1 and 50"):
        training_seeds.combine([_evaluation(0.9), other])
    other = copy.deepcopy(_evaluation(0.9))
    del other["rows"][2]
    with pytest.raises(ValueError, match="lacks the row 'black image'"):
        training_seeds.combine([_evaluation(0.9), other])
    with pytest.raises(ValueError, match="no evaluation"):
        training_seeds.combine([])
