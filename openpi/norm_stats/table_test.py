import numpy as np

from openpi.norm_stats import table
from openpi.normalization import norm_stats


def test_a_row_a_dimension_and_unscaled_ones_marked():
    entry = norm_stats.NormStats(
        mean=np.array([1.5, -0.25]), std=np.array([0.5, 1.0]), q01=np.array([0.0, -1.25]), q99=np.array([3.0, 0.75])
    )
    text = table.render({"state": entry, "actions": entry}, min_std=0.01)
    assert text == (
        "   state dim         mean          std          q01          q99\n"
        "           0          1.5          0.5            0            3\n"
        "           1        -0.25            1        -1.25         0.75  not scaled: varies by less than 0.01\n"
        "\n"
        " actions dim         mean          std          q01          q99\n"
        "           0          1.5          0.5            0            3\n"
        "           1        -0.25            1        -1.25         0.75  not scaled: varies by less than 0.01"
    )
    assert "not scaled" not in table.render({"state": entry})
