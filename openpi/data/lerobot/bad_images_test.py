"""Images and videos that cannot be read, or are of something else: each is one clear line that names episode and file."""

import io
import struct
import zlib

import av
import numpy as np
import PIL.Image
import pytest

from openpi.data.lerobot import damage, reader, recording

LENGTHS = (4, 7, 5)
STATE, CAMERA = recording.STATE, recording.CAMERA


@pytest.fixture
def v30(tmp_path):
    return recording.record(tmp_path / "v30", LENGTHS, version="v3.0")


@pytest.fixture
def v21(tmp_path):
    return recording.record(tmp_path / "v21", LENGTHS, version="v2.1")


def test_a_video_that_begins_later_than_its_table_is_left_out(v21):
    with av.open(str(v21 / damage.VIDEO_1)) as source, av.open(str(v21 / "later.mp4"), "w") as shifted:
        stream = shifted.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts, packet.dts = packet.pts + 2 * packet.duration, packet.dts + 2 * packet.duration
                packet.stream = stream
                shifted.mux(packet)
    (v21 / "later.mp4").replace(v21 / damage.VIDEO_1)
    dataset = reader.LeRobotDataset(v21, skip_bad_episodes=True)
    assert list(dataset.skipped) == [1]
    assert "episode 1, frame 0: video " in dataset.skipped[1] and "the next one is at 0.2" in dataset.skipped[1]


def test_a_video_that_breaks_in_the_middle_is_named_when_it_is_read(v21):
    content = bytearray((v21 / damage.VIDEO_1).read_bytes())
    start = content.index(b"mdat") + 4
    content[start + 200 : -1] = bytes(len(content) - start - 201)
    (v21 / damage.VIDEO_1).write_bytes(content)
    dataset = reader.LeRobotDataset(v21)
    with pytest.raises(
        ValueError, match=r"episode 1, frame \d: video .*episode_000001\.mp4 (cannot be decoded|has no)"
    ):
        [dataset[n] for n in range(4, 11)]
    assert dataset[3][STATE][0] == 3 and dataset[11][CAMERA].shape == (3, 48, 64)


def test_an_image_that_is_none_is_named(v30):
    values = [{"bytes": b"\x89PNG nonsense", "path": ""}] * 8 + [{"bytes": None, "path": "x.png"}] * 8
    damage.column(damage.DATA, recording.PNG_CAMERA, values)(v30)
    dataset = reader.LeRobotDataset(v30)
    where = rf"file-000\.parquet.: image '{recording.PNG_CAMERA}'"
    with pytest.raises(ValueError, match=rf"episode 1, frame 2 .*{where} cannot be decoded"):
        dataset[6]
    with pytest.raises(ValueError, match=rf"episode 1, frame 4 .*{where} is not inside the parquet file"):
        dataset[8]


def png_header(height, width):
    """A PNG file that promises an image and has none."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"x")) + chunk(b"IEND", b"")


def png(image):
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png_header(60_000, 60_000), "cannot be decoded .*3600000000 pixels"),
        (png_header(8000, 8000), "is 8000x8000 .height x width., and info.json says 8x12"),
        (png(np.full((8, 12), 30_000, np.uint16)), "is of mode I;16, and only colours of 8 bits can be read"),
    ],
    ids=["larger than Pillow takes", "of another size", "of 16 bits"],
)
def test_an_image_of_another_kind_is_named_before_it_is_decoded(v30, content, message):
    damage.column(damage.DATA, recording.PNG_CAMERA, [{"bytes": content, "path": ""}] * 16)(v30)
    with pytest.raises(ValueError, match=rf"episode 1, frame 2 .*file-000\.parquet.: image .* {message}"):
        reader.LeRobotDataset(v30)[6]


def test_a_video_of_other_places_is_named(v30):
    damage.column(damage.EPISODES, f"videos/{CAMERA}/from_timestamp", [0, 9.9, 20])(v30)
    with pytest.raises(ValueError, match=r"episode 1, frame 2: video .*file-000\.mp4 has no frame at 10\.1"):
        reader.LeRobotDataset(v30)[6]
