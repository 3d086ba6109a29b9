import dataclasses

import numpy as np
import pytest

from openpi.trainer.preflight import stages
from openpi.transforms import transform


@dataclasses.dataclass(frozen=True)
class Double:
    def __call__(self, data):
        return {**data, "state": 2 * data["state"]}


@dataclasses.dataclass(frozen=True)
class Rename:
    def __call__(self, data):
        return {"x": {"state": data["state"]}, "prompt": data["prompt"]}


SAMPLE = {"state": np.array([1.0, -3.0], np.float32), "prompt": np.asarray("push"), "done": np.array([True, False])}


def test_each_step_of_a_road_is_a_stage_under_its_name():
    road = transform.compose([transform.compose([Double()]), Rename()])
    traced = stages.trace(road, SAMPLE)
    assert [stage.name for stage in traced] == ["dataset", "Double", "Rename"]
    assert [leaf.path for leaf in traced[-1].leaves] == ["prompt", "x/state"]
    assert traced[1].leaves[-1] == stages.Leaf("state", "float32[2]", "-6 … 2")
    np.testing.assert_array_equal(SAMPLE["state"], [1, -3])


@pytest.mark.parametrize(
    ("value", "kind", "values"),
    [
        (np.zeros((2, 3), np.uint8), "uint8[2, 3]", "0"),
        (np.float64(1.5), "float64[]", "1.5"),
        (np.array([1, np.nan, np.inf]), "float64[3]", "2 of 3 values are not finite"),
        (np.array([True, False]), "bool[2]", "1 of 2 true"),
        (np.bool_(True), "bool[]", "True"),
        (np.zeros((0, 4)), "float64[0, 4]", ""),
        ("short", "text", "'short'"),
        (np.asarray("a" * 100), "text", repr("a" * 47 + "…")),
    ],
)
def test_a_leaf_says_what_people_look_for(value, kind, values):
    assert stages.describe({"a": {"b": value}}) == (stages.Leaf("a/b", kind, values),)


def test_the_table_shows_what_a_stage_changes():
    text = stages.render(
        stages.trace(transform.compose([Double(), Rename(), transform.compose([])]), SAMPLE)
    ).splitlines()
    assert [line.strip() for line in text] == [
        "0 dataset",
        "+ done     bool[2]     1 of 2 true",
        "+ prompt   text        'push'",
        "+ state    float32[2]  -3 … 1",
        "1 Double",
        "~ state    float32[2]  -6 … 2",
        "2 Rename",
        "+ x/state  float32[2]  -6 … 2",
        "- done",
        "- state",
    ]


def test_a_stage_that_fails_is_named():
    with pytest.raises(ValueError, match=r"stage 2 \(Rename\) of the road to the model: prompt"):
        stages.trace(transform.compose([Double(), Rename()]), {"state": np.zeros(1)})
