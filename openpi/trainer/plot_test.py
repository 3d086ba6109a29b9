import matplotlib.image
import numpy as np
import pytest

from openpi.trainer import metrics_writer, plot


def log(directory, values, **others):
    """A run that logged a loss every ten steps."""
    directory.mkdir(parents=True, exist_ok=True)
    with metrics_writer.MetricsWriter(directory) as writer:
        for number, value in enumerate(values):
            writer.write(10 * number, {"loss": value, **{name: other[number] for name, other in others.items()}})
    return directory


def share(path, colour):
    """Of a picture's points, those of a colour."""
    picture = matplotlib.image.imread(path)[..., :3]
    return np.mean(np.all(np.abs(picture - colour) < 0.02, axis=-1))


BLUE, ORANGE = (0.122, 0.467, 0.706), (1.0, 0.498, 0.055)


def test_the_loss_curve_of_a_run(tmp_path):
    assert plot.write_loss_curve(tmp_path) is None
    log(tmp_path, [2.0, float("nan"), 0.5])
    path = plot.write_loss_curve(tmp_path)
    assert path == tmp_path / "loss.png"
    assert matplotlib.image.imread(path).shape[:2] == (420, 720)
    assert 1e-4 < share(path, BLUE) < 0.05
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_reads_what_is_finite_and_its_interval(tmp_path):
    low, high = [0.5, None, 1.5], [1.5, None, 2.5]
    bands = {"loss_low": [x or float("nan") for x in low], "loss_high": [x or float("nan") for x in high]}
    curves = plot.read(log(tmp_path / "a", [1.0, float("inf"), 2.0], **bands))
    np.testing.assert_array_equal(curves["loss"].steps, [0, 20])
    np.testing.assert_array_equal(curves["loss"].values, [1.0, 2.0])
    np.testing.assert_array_equal(curves["loss"].band, [[0.5, 1.5], [1.5, 2.5]])
    assert plot.read(log(tmp_path / "b", [1.0, 2.0]))["loss"].band is None
    with pytest.raises(FileNotFoundError, match=r"has no metrics.jsonl with metrics: give a run's folder"):
        plot.read(tmp_path)


@pytest.mark.parametrize(
    ("window", "expected"),
    [(1, [1, 2, 6, 3, 8]), (3, [1, 3, 11 / 3, 17 / 3, 8]), (100, [1, 3, 4, 17 / 3, 8])],
)
def test_smoothing_is_a_mean_of_as_many_before_as_after(window, expected):
    np.testing.assert_allclose(plot.smooth(np.array([1.0, 2.0, 6.0, 3.0, 8.0]), window), expected)


def test_several_runs_and_metrics(tmp_path):
    rng = np.random.default_rng(0)
    runs = {
        name: plot.read(log(tmp_path / name, scale + 0.1 * rng.random(50), grad_norm=rng.random(50)))
        for name, scale in (("a", 1.0), ("b", 2.0))
    }
    one = plot.write(tmp_path / "one.png", {"a": runs["a"]}, ["loss"])
    both = plot.write(tmp_path / "both.png", runs, ["loss", "grad_norm"], window=5)
    assert share(one, BLUE) > 5e-4 and share(one, ORANGE) == 0
    assert share(both, BLUE) > 5e-4 and share(both, ORANGE) > 5e-4
    assert matplotlib.image.imread(both).shape[0] == 780  # an axis more
    assert plot.write(tmp_path / "again.png", runs, ["loss", "grad_norm"], window=5).read_bytes() == both.read_bytes()
