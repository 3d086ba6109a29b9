import dataclasses
import json
import math
import pathlib

import numpy as np
import pytest

from openpi.checkpoints import tree_report

GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "param_trees.json").read_text())
FLOAT32 = np.dtype(np.float32)
GROUPS = {"image tower": "img", "language model": "llm", "action expert": "llm_expert"}


@dataclasses.dataclass
class Described:
    """What the report needs of a stored array; the full-size ones are far too large to be stored here."""

    shape: tuple[int, ...]
    dtype: np.dtype = FLOAT32

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def nbytes(self):
        return self.size * self.dtype.itemsize


@pytest.mark.parametrize("name", GOLDEN)
def test_totals_of_the_published_models(name):
    golden = GOLDEN[name]
    told = tree_report.describe({path: Described(tuple(shape)) for path, shape in golden["shapes"].items()})
    assert told["total"] == {
        "arrays": len(golden["shapes"]),
        "parameters": golden["num_params"],
        "bytes": 4 * golden["num_params"],
    }
    by_group: dict[str, int] = {}
    for group, total in told["groups"].items():
        key = GROUPS.get(group, "top")
        by_group[key] = by_group.get(key, 0) + total["parameters"]
    assert by_group == golden["by_group"]
    assert told["model"]["config_type"] == ("pi0_fast" if "fast" in name else name.split("_")[0])


def test_table():
    told = tree_report.describe(
        {"a/kernel": Described((1024, 600)), "a/bias": Described((600,)), "step": Described((), np.dtype(np.int32))}
    )
    told["arrays"][0]["max"], told["arrays"][1]["max"], told["arrays"][2]["max"] = 1234.5678, None, 3
    assert tree_report.render(told, ["max"]).splitlines() == [
        "model: none that openpi knows",
        "",
        "path      shape        dtype    parameters      size   max",
        "a/kernel  [1024, 600]  float32     614,400  2.34 MiB  1235",
        "a/bias    [600]        float32         600  2.34 KiB     -",
        "step      []           int32             1       4 B     3",
        "",
        "a          2 arrays    615,000  2.35 MiB",
        "top level  1 array           1       4 B",
        "total      3 arrays    615,001  2.35 MiB",
    ]


@pytest.mark.parametrize(
    ("number", "told"), [(999_999, "999,999"), (414_803_696, "414.804 M"), (3_238_048_528, "3.238 B")]
)
def test_in_millions(number, told):
    assert tree_report.in_millions(number) == told


@pytest.mark.parametrize(
    ("nbytes", "told"), [(0, "0 B"), (1023, "1023 B"), (1 << 20, "1.00 MiB"), (12 << 30, "12.00 GiB")]
)
def test_size(nbytes, told):
    assert tree_report.size(nbytes) == told
