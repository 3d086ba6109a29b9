"""lerobot's loader delivers full batches of every camera and chunk, and its rate follows from what was counted."""

import pytest

from openpi.benchmarks import lerobot_loader
from openpi.data.lerobot import recording


@pytest.mark.parametrize("workers", [0, 1])
def test_a_rate_is_measured(tmp_path, workers):
    root = recording.record(tmp_path / "dataset")
    setting = lerobot_loader.Setting(workers=workers, threads=1, batch_size=4)
    result = lerobot_loader.measure(root, setting, chunk_key=recording.ACTION, chunk_steps=6, seconds=0.2)
    assert result["images"] == {
        recording.CAMERA: [4, 3, recording.HEIGHT, recording.WIDTH],
        recording.PNG_CAMERA: [4, 3, 8, 12],
    }
    assert result["chunk"] == [4, 6, 3]
    assert (result["workers"], result["torch_threads"]) == (workers, 1)
    assert result["samples"] > 0 and result["samples"] % 4 == 0
    assert result["seconds"] >= 0.2
    assert result["samples_per_s"] == pytest.approx(result["samples"] / result["seconds"])
