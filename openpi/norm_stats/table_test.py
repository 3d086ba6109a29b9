import numpy as np

from openpi.norm_stats import table
from openpi.normalization import lint, measured, norm_stats

ENTRY = measured.Measured(
    1200,
    *(
        np.array(values)
        for values in ([1.5, -0.25], [0.5, 1e-9], [0.0, -0.25], [35.0, -0.25], [0.1, -0.25], [3.0, -0.25])
    ),
)
FLAGS = [
    lint.Flag("state", 0, "outlier", "35 is far out: look at it"),
    lint.Flag("state", None, "too wide", "2 numbers: raise it"),
]


def test_a_row_a_dim_with_its_findings():
    text = table.render({"state": ENTRY}, {"state": ("left_waist", "gripper")}, FLAGS, min_std=0.01)
    assert text == (
        "state               min        q01       mean        q99        max        std\n"
        "0 left_waist          0        0.1        1.5          3         35        0.5  outlier\n"
        "1 gripper         -0.25      -0.25      -0.25      -0.25      -0.25      1e-09  not scaled: varies by less than 0.01\n"
        "1,200 samples\n"
        "\n"
        "2 findings:\n"
        "  state[0] left_waist: outlier: 35 is far out: look at it\n"
        "  state: too wide: 2 numbers: raise it"
    )


def test_beside_other_statistics():
    other = {"state": norm_stats.NormStats(mean=np.array([1.0]), std=np.array([0.25]))}
    text = table.render({"state": ENTRY, "actions": ENTRY}, {}, FLAGS[:1], reference=other)
    assert text == (
        "state        min        q01       mean        q99        max        std      shift      scale\n"
        "0              0        0.1        1.5          3         35        0.5       2.00       2.00  outlier\n"
        "1          -0.25      -0.25      -0.25      -0.25      -0.25      1e-09          -          -\n"
        "1,200 samples\n"
        "\n"
        "actions        min        q01       mean        q99        max        std\n"
        "0                0        0.1        1.5          3         35        0.5\n"
        "1            -0.25      -0.25      -0.25      -0.25      -0.25      1e-09\n"
        "1,200 samples\n"
        "\n"
        "1 finding:\n"
        "  state[0]: outlier: 35 is far out: look at it"
    )


def test_nothing_found():
    assert table.render({"state": ENTRY}, {}, []).endswith("1,200 samples\n\nnothing looks wrong")
