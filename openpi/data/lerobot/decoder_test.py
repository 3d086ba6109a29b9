import concurrent.futures
import os
import pickle

import numpy as np
import pytest

from openpi.data.lerobot import decoder, video

SIZE = (48, 64)


def picture(n):
    """A gradient whose blue level tells the frame's number."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([x * 3, y * 4, np.full_like(x, 6 * n)], axis=-1).astype(np.uint8)


def write(path, lengths, fps=10, **options):
    file = video.VideoFile(path, video.Encoding(fps, *SIZE, **options))
    n = 0
    for length in lengths:
        encoder = video.EpisodeEncoder(video.Encoding(fps, *SIZE, **options))
        for _ in range(length):
            encoder.add(picture(n))
            n += 1
        file.append(encoder.finish())
    file.close()
    return file


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    assert write(path, (5, 1, 8, 26)).duration == pytest.approx(4.0)
    return path


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(range(40), id="forward"),
        pytest.param(range(39, -1, -1), id="backward"),
        pytest.param([0, 0, 39, 5, 6, 6, 4, 20, 23, 1], id="jumping"),
        pytest.param(np.random.default_rng(0).integers(0, 40, 60), id="random"),
    ],
)
def test_any_order_gives_the_frame_asked_for(path, order):
    frames = decoder.Decoder().frames(path, [n / 10 for n in order], SIZE)
    assert frames.shape == (len(order), *SIZE, 3) and frames.dtype == np.uint8
    for n, frame in zip(order, frames, strict=True):
        error = np.abs(frame.astype(int) - picture(int(n)))
        assert error.mean() < 3 and abs(frame[..., 2].mean() - 6 * n) < 3


@pytest.mark.parametrize("fps", [1, 15, 29.97, 50])
def test_frame_times_are_multiples_of_the_period(tmp_path, fps):
    write(tmp_path / "v.mp4", (9,), fps=fps)
    frames = decoder.Decoder().frames(tmp_path / "v.mp4", [n / fps for n in range(9)], SIZE)
    assert [round(frame[..., 2].mean() / 6) for frame in frames] == list(range(9))


def test_long_gops_can_be_read_too(tmp_path):
    write(tmp_path / "v.mp4", (40,), gop=40)
    frames = decoder.Decoder().frames(tmp_path / "v.mp4", [3.1, 0.2, 3.9], SIZE)
    assert [round(frame[..., 2].mean() / 6) for frame in frames] == [31, 2, 39]


def test_more_files_than_may_be_open(tmp_path):
    paths = [tmp_path / f"{i}.mp4" for i in range(3)]
    for i, path in enumerate(paths):
        write(path, (i + 1,))
    reading = decoder.Decoder(max_open=1)
    for path in paths * 2:
        assert reading.frames(path, [0.0], SIZE).shape == (1, *SIZE, 3)


def test_threads_pickles_and_forks_share_no_decoder(path):
    reading = decoder.Decoder()
    times = [n / 10 for n in range(0, 40, 3)]
    expected = reading.frames(path, times, SIZE)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for frames in pool.map(lambda _: reading.frames(path, times, SIZE), range(8)):
            np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reading)).frames(path, times, SIZE), expected)

    child = os.fork()
    if child == 0:  # decodes in both processes at once: a shared file position would corrupt either
        same = all(np.array_equal(reading.frames(path, times, SIZE), expected) for _ in range(5))
        os._exit(0 if same else 1)
    for _ in range(5):
        np.testing.assert_array_equal(reading.frames(path, times, SIZE), expected)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("times", "size", "message"),
    [
        ([0.05], SIZE, r"no frame at 0\.050000 s \(the next one is at 0\.100000 s"),
        ([4.0], SIZE, r"no frame at 4\.000000 s \(the video ends before"),
        ([1e6], SIZE, "the video ends before"),
        ([-1.0], SIZE, "no frame at -1"),
        ([0.0], (64, 48), "is 48x64 .height x width., and the dataset's info.json says 64x48"),
    ],
)
def test_wrong_requests_are_one_clear_line(path, times, size, message):
    reading = decoder.Decoder()
    with pytest.raises(ValueError, match=message):
        reading.frames(path, times, size)
    assert reading.frames(path, [0.0], SIZE).shape == (1, *SIZE, 3)  # still usable


def test_missing_and_broken_files_are_named(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4 is missing"):
        decoder.Decoder().frames(tmp_path / "nowhere.mp4", [0.0], SIZE)
    broken = tmp_path / "broken.mp4"
    for content in (b"", b"not a video at all" * 100, path.read_bytes()[:200]):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.mp4 (cannot be decoded|holds no video stream)"):
            decoder.Decoder().frames(broken, [0.0], SIZE)
