import dataclasses

import av
import numpy as np
import pytest

from openpi.data.lerobot import codecs, decoder, video

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


def keyframes(path):
    with av.open(str(path)) as container:
        times = [float(p.pts * p.time_base) for p in container.demux() if p.is_keyframe and p.pts is not None]
    return [round(time * 10) for time in times]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    assert write(path, (5, 1, 8, 26)).duration == pytest.approx(4.0)
    return path


def test_episodes_start_with_keyframes(path):
    assert {0, 5, 6, 14} <= set(keyframes(path))


@pytest.mark.parametrize("size", [(47, 64), (48, 63)])
def test_odd_sizes_are_refused(size):
    with pytest.raises(ValueError, match="even sizes.*record the feature as 'image'"):
        video.Encoding(10, *size)


def test_a_frame_of_another_shape_is_refused():
    encoder = video.EpisodeEncoder(video.Encoding(10, *SIZE))
    with pytest.raises(ValueError, match=r"video frame is uint8 \[3, 48, 64\], expected uint8 \[48, 64, 3\]"):
        encoder.add(np.zeros((3, *SIZE), np.uint8))


@pytest.mark.parametrize("codec", codecs.CODECS)
@pytest.mark.parametrize("gop", [1, 2, 7, 40])
def test_every_codec_gives_back_its_frames_from_a_keyframe_nearby(tmp_path, codec, gop):
    write(tmp_path / "v.mp4", (9, 1, 8), codec=codec, gop=gop)
    assert video.probe(tmp_path / "v.mp4")["video.codec"] == codec
    frames = decoder.Decoder().frames(tmp_path / "v.mp4", [n / 10 for n in range(18)], SIZE)
    assert [round(frame[..., 2].mean() / 6) for frame in frames] == list(range(18))
    keys = keyframes(tmp_path / "v.mp4")
    assert {0, 9, 10} <= set(keys) and np.diff([*keys, 18]).max() <= gop


@pytest.mark.parametrize("codec", codecs.CODECS)
def test_a_step_of_colour_is_kept(tmp_path, codec):  # quick presets may take a frame for the one before
    encoder = video.EpisodeEncoder(video.Encoding(10, *SIZE, codec=codec))
    for n in range(12):
        encoder.add(picture(3 * n))
    file = video.VideoFile(tmp_path / "v.mp4", video.Encoding(10, *SIZE, codec=codec))
    file.append(encoder.finish())
    file.close()
    for n, frame in enumerate(decoder.Decoder().frames(tmp_path / "v.mp4", [n / 10 for n in range(12)], SIZE)):
        assert np.abs(frame.astype(int) - picture(3 * n)).mean() < 3, n


@pytest.mark.parametrize("codec", codecs.CODECS)
def test_a_better_quality_is_nearer_and_larger(tmp_path, codec):
    errors, sizes = [], []
    for crf in (5, 45):
        sizes.append(write(tmp_path / f"{crf}.mp4", (6,), codec=codec, crf=crf).num_bytes)
        frames = decoder.Decoder().frames(tmp_path / f"{crf}.mp4", [n / 10 for n in range(6)], SIZE)
        errors.append(np.mean([np.abs(frame.astype(int) - picture(n)).mean() for n, frame in enumerate(frames)]))
    assert errors[0] < errors[1] and sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "vp9"}, "video codec 'vp9': must be one of h264, hevc, av1"),
        ({"crf": 52}, "crf is 52, and h264 takes 0 to 51"),
        ({"codec": "av1", "crf": -1}, "crf is -1, and av1 takes 0 to 63"),
        ({"gop": 0}, "gop is 0, and must be at least 1"),
        ({"preset": "warp"}, "libx264 takes no Encoding.*preset='warp'"),
    ],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        video.EpisodeEncoder(video.Encoding(10, *SIZE, **options))
    assert "\n" not in str(caught.value)


def test_a_codec_that_this_build_lacks_is_named(monkeypatch):
    monkeypatch.setitem(codecs.CODECS, "hevc", dataclasses.replace(codecs.CODECS["hevc"], encoder="libnone"))
    with pytest.raises(ValueError, match="video codec 'hevc': PyAV .* has no libnone here; use h264, av1"):
        video.Encoding(10, *SIZE, codec="hevc")
