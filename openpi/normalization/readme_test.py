import numpy as np

from openpi.normalization import exact_stats, lint, norm_stats
from openpi.testing import readme


def test_the_example_does_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = readme.run("openpi/normalization/README.md", [np, exact_stats, lint, norm_stats])
    assert got["measured"]["actions"].count == 10 * 32 * 50
    stats = norm_stats.load(tmp_path / "assets/my_robot")["actions"]
    np.testing.assert_allclose(stats.q99, np.full(14, 2.33), atol=0.1)
