import matplotlib.image
import numpy as np

from openpi.trainer import metrics_writer, plot


def test_draws_the_curve(tmp_path):
    assert plot.write_loss_curve(tmp_path) is None
    with metrics_writer.MetricsWriter(tmp_path) as writer:
        for step, loss in ((0, 2.0), (10, float("nan")), (20, 0.5)):
            writer.write(step, {"loss": loss})
    path = plot.write_loss_curve(tmp_path)
    assert path == tmp_path / "loss.png"
    picture = matplotlib.image.imread(path)
    blue = (picture[..., 2] > 0.6) & (picture[..., 0] < 0.3)  # the line
    assert picture.shape[:2] == (420, 720)
    assert 50 < np.sum(blue) < 20000
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []
