import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from openpi.client import image_codec, msgpack_numpy


def _picture(height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return np.stack([3 * y, 3 * x, y + x], axis=-1).astype(np.uint8)


def _decompress(entry, max_bytes=2**20):
    return image_codec.decompress(entry, max_bytes=max_bytes)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize(("image_format", "tolerance"), [("png", 0), ("jpeg", 8)])
def test_images_come_back(order, image_format, tolerance):
    image = _picture().transpose(order)
    entry = image_codec.compress(image, image_format)
    assert len(entry[b"data"]) < image.nbytes / 2
    back = _decompress(entry)
    assert back.dtype == np.uint8
    assert not back.flags.writeable
    np.testing.assert_allclose(back.astype(int), image.astype(int), atol=tolerance, rtol=0)


def test_what_is_no_image_stays_as_it_is():
    tree = {
        "state": np.zeros(3),
        "depth": np.zeros((4, 4, 3), np.uint16),
        "grey": np.zeros((4, 4, 1), np.uint8),
        "none": np.zeros((0, 4, 3), np.uint8),
        "stack": np.zeros((2, 4, 4, 3), np.uint8),
        "prompt": "go",
        "list": [1, {"x": None}],
    }
    back = image_codec.compress(tree, "png")
    assert list(back) == list(tree)
    assert all(back[key] is tree[key] for key in list(tree)[:-1])
    assert back["list"] == tree["list"]


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="image_format='gif' is unknown; it is one of: jpeg, png"):
        image_codec.compress({}, "gif")


@pytest.mark.parametrize(
    ("metadata", "formats"),
    [
        ({}, ()),
        ({"openpi": None}, ()),
        ({"openpi": {"image_formats": "jpeg"}}, ()),
        ({"openpi": {"image_formats": ["png", "avif"]}}, ("png",)),
        ({"openpi": {"image_formats": ["jpeg", "png"]}}, ("jpeg", "png")),
    ],
)
def test_offers(metadata, formats):
    assert image_codec.offered(metadata) == formats


def _png(width, height, bits=8, colour=2, rows=b""):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return {image_codec.KEY: "png", b"axes": "hwc", b"data": data}


def _saved(mode, image_format):
    buffer = io.BytesIO()
    Image.new(mode, (4, 4)).save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({image_codec.KEY: "png"}, "needs a format"),
        (_png(1, 1) | {image_codec.KEY: "tiff"}, "needs a format"),
        (_png(1, 1) | {image_codec.KEY: [1]}, "needs a format"),
        (_png(1, 1) | {b"axes": "whc"}, "needs a format"),
        (_png(1, 1) | {b"axes": ["hwc"]}, "needs a format"),
        (_png(1, 1) | {b"data": "x"}, "needs a format"),
        (_png(1, 1) | {b"data": b""}, "not a png image"),
        (_png(1, 1) | {b"data": _saved("RGB", "GIF")}, "not a png image"),
        (_png(1, 1) | {b"data": _saved("RGB", "JPEG")}, "not a png image"),
        (_png(1, 1) | {b"data": _saved("RGBA", "PNG")}, "must be RGB with 8 bits, got mode RGBA"),
        (_png(1, 1) | {b"data": _saved("L", "PNG")}, "must be RGB with 8 bits, got mode L"),
        (_png(1_000, 1_000), "1000 × 1000 pixels is too large"),
        (_png(16_384, 16_384), "not a png image: .*exceeds limit"),
        (_png(1, 16_385), "too large"),
        (_png(0, 0), "not a png image"),
        (_png(4, 4), "not a png image"),  # no rows
    ],
)
def test_refusals_say_why(entry, message):
    with pytest.raises(msgpack_numpy.DecodeError, match=message) as caught:
        _decompress(entry)
    assert "\n" not in str(caught.value)


def test_a_bomb_takes_no_memory():
    bomb = _png(8_000, 8_000, rows=bytes(8_000 * (1 + 3 * 8_000)))
    assert len(bomb[b"data"]) < 300_000
    tracemalloc.start()
    with pytest.raises(msgpack_numpy.DecodeError, match="too large"):
        _decompress(bomb, max_bytes=64 * 2**20)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["png", "jpeg"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
def test_damaged_images_raise_nothing_else(image_format, changes, end):
    entry = image_codec.compress(_picture(8, 8), image_format)
    data = bytearray(entry[b"data"])
    for place, byte in changes:
        data[min(int(place * len(data)), len(data) - 1)] = byte
    try:
        image = _decompress(entry | {b"data": bytes(data[: int(end * len(data)) + 1])})
    except msgpack_numpy.DecodeError as error:
        assert "\n" not in str(error)
    else:
        assert image.nbytes <= 2**20
