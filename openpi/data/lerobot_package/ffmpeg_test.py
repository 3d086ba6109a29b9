"""FFmpeg's libraries can be loaded by their plain names, as torchcodec loads them."""

import ctypes

import av
import pytest

from openpi.data.lerobot_package import ffmpeg


@pytest.mark.parametrize("library", ["libavutil", "libswscale", "libavcodec", "libavformat", "libavfilter"])
def test_a_library_is_found_by_its_plain_name(library):
    ffmpeg.provide()
    major, minor, micro = av.library_versions[library]
    loaded = ctypes.CDLL(f"{library}.so.{major}")
    assert loaded[library.removeprefix("lib") + "_version"]() == major << 16 | minor << 8 | micro


def test_twice_is_as_good_as_once():
    ffmpeg.provide()
    ffmpeg.provide()
