import numpy as np
import PIL.Image

from openpi.norm_stats import histograms
from openpi.normalization import exact_stats


def draw(path, dims, flagged=frozenset()):
    rng = np.random.default_rng(0)
    samples = {"state": rng.normal(size=(500, dims)), "actions": rng.normal(size=(500, 3))}
    samples["state"][:, 0] = 0.5  # a dim without any width
    stats = exact_stats.measure(lambda: [(0, samples)])
    histograms.write(path, samples, stats, {"state": tuple("abcdefghijk"[:dims])}, flagged)
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_panel_a_dim(tmp_path):
    one_row, two_rows = draw(tmp_path / "a/b.png", 7), draw(tmp_path / "a/c.png", 8)
    assert one_row.shape[1] == two_rows.shape[1] and two_rows.shape[0] == one_row.shape[0] * 3 // 2
    blue = (one_row[..., 2] > 150) & (one_row[..., 0] < 60)
    columns = np.array_split(blue, 7, axis=1)
    below = [half[half.shape[0] // 2 :].sum() for half in columns]  # of the 3 actions
    assert all(count > 100 for count in below[:3]) and not any(below[3:])
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.png", "c.png"]


def test_flagged_panels_are_marked(tmp_path):
    red = lambda image: ((image[..., 0] > 180) & (image[..., 1] < 80) & (image[..., 2] < 80)).sum()
    assert red(draw(tmp_path / "plain.png", 2)) == 0
    assert red(draw(tmp_path / "marked.png", 2, {("state", 1)})) > 20
