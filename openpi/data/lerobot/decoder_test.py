import concurrent.futures
import fractions
import gc
import os
import pathlib
import pickle
import resource
import threading

import av
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


def test_frames_that_are_stored_in_another_order_than_shown(tmp_path):
    with av.open(str(tmp_path / "v.mp4"), "w") as container:  # as ffmpeg does by default: B-frames, few keyframes
        stream = container.add_stream("libx264", 10, options={"bf": "3", "g": "25", "b_strategy": "0"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        packets = []
        for n in range(40):
            frame = av.VideoFrame.from_ndarray(picture(n).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = n, fractions.Fraction(1, 10)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        container.mux(packets)
    shown = [packet.pts for packet in packets]
    assert shown != sorted(shown)
    order = np.random.default_rng(0).integers(0, 40, 80).tolist()
    frames = decoder.Decoder().frames(tmp_path / "v.mp4", [n / 10 for n in order], SIZE)
    assert [round(frame[..., 2].mean() / 6) for frame in frames] == order


def test_more_files_than_may_be_open(tmp_path):
    paths = [tmp_path / f"{i}.mp4" for i in range(3)]
    for i, path in enumerate(paths):
        write(path, (i + 1,))
    reading = decoder.Decoder(max_open=1)
    for path in paths * 2:
        assert reading.frames(path, [0.0], SIZE).shape == (1, *SIZE, 3)


def test_many_threads_keep_within_the_files_that_may_be_open(tmp_path):
    paths = [tmp_path / f"{i}.mp4" for i in range(12)]
    for path in paths:
        write(path, (1,))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    reading, everyone = decoder.Decoder(), threading.Barrier(12)

    def work(first):
        for path in paths[first:] + paths[:first]:
            reading.frames(path, [0.0], SIZE)
        everyone.wait(20)  # none ends, and closes its files, before all have read

    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 48, limits[1]))
    try:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            list(pool.map(work, range(12)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_files_are_closed_when_their_thread_ends(path):
    count = lambda: len(list(pathlib.Path("/proc/self/fd").iterdir()))
    reading, before = decoder.Decoder(), count()
    gc.disable()  # nothing waits for it
    try:
        for _ in range(3):
            thread = threading.Thread(target=reading.frames, args=(path, [0.0], SIZE))
            thread.start()
            thread.join()
        assert count() == before
    finally:
        gc.enable()


def test_too_many_open_files_are_no_fault_of_the_video(path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(OSError, match=r"too many files are open: raise `ulimit -n`: '.*video\.mp4'"):
            decoder.Decoder().frames(path, [0.0], SIZE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


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
    for content in (
        b"",
        b"not a video at all" * 100,
        path.read_bytes()[:200],
        path.read_bytes().replace(b"avc1", b"zzzz"),
    ):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"broken\.mp4 (cannot be decoded|holds no video stream)"):
            decoder.Decoder().frames(broken, [0.0], SIZE)


@pytest.mark.parametrize("size", [(64, 48), (96, 32), (96, 128)])
def test_a_frame_of_another_size_in_the_middle_is_named(tmp_path, size):
    file = video.VideoFile(tmp_path / "v.mp4", video.Encoding(10, *SIZE))
    for height, width in (SIZE, size):
        encoding = video.Encoding(10, height, width)
        codec = av.CodecContext.create(encoding.encoder, "w")  # its header is in the stream: the decoder follows it
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.options = 1 / encoding.rate, encoding.options
        file.append(
            codec.encode(av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format="rgb24"))
            + codec.encode(None)
        )
    file.close()
    reading = decoder.Decoder()
    assert reading.frames(tmp_path / "v.mp4", [0.0], SIZE).shape == (1, *SIZE, 3)
    with pytest.raises(ValueError, match=rf"v\.mp4 has a frame of {size[0]}x{size[1]} .* its header says 48x64: fetch"):
        reading.frames(tmp_path / "v.mp4", [0.1], SIZE)


def test_a_list_of_other_files_is_no_video(path):
    playlist = path.with_name("list.mp4")
    playlist.write_text(f"ffconcat version 1.0\nfile {path.name}\n")
    with pytest.raises(ValueError, match=r"list\.mp4 cannot be decoded"):
        decoder.Decoder().frames(playlist, [0.0], SIZE)
