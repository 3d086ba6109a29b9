import av
import numpy as np
import pytest

from openpi.robots.video import video_file


def _frame(level, height=32, width=48):
    return np.full((height, width, 3), level, np.uint8)


def test_frames_come_back_at_their_times(tmp_path):
    path = tmp_path / "deep/film.mp4"
    film = video_file.VideoFile(path, 25)
    for level in range(0, 250, 10):
        film.add(_frame(level))
        assert not path.exists()
    film.close()
    film.close()
    assert [each.name for each in path.parent.iterdir()] == ["film.mp4"]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames, stream.codec.canonical_name) == (25, 25, "h264")
        for n, frame in enumerate(container.decode(stream)):
            assert frame.time == pytest.approx(n / 25)
            assert abs(frame.to_ndarray(format="rgb24").mean() - 10 * n) < 4


def test_without_frames_there_is_no_film(tmp_path):
    video_file.VideoFile(tmp_path / "none.mp4", 10).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([_frame(0, 31)], "31x48, and h264 takes even sizes"),
        ([_frame(0), _frame(0, 34)], "is 34x48, after others of 32x48"),
        ([_frame(0).astype(np.float32)], r"is float32 \[32, 48, 3\], not uint8 \[H, W, 3\]"),
        ([_frame(0).transpose(2, 0, 1)], r"uint8 \[3, 32, 48\], not uint8 \[H, W, 3\]"),
    ],
)
def test_what_is_no_frame(tmp_path, frames, message):
    film = video_file.VideoFile(tmp_path / "film.mp4", 10)
    for frame in frames[:-1]:
        film.add(frame)
    with pytest.raises(ValueError, match=message):
        film.add(frames[-1])
    film.close()
