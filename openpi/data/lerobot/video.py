"""Writes video through PyAV, so that single frames are quick to reach.

Frames are uint8 RGB `[H, W, 3]`; times are seconds from the start of the file.
"""

import dataclasses
import fractions
import pathlib
from collections.abc import Sequence
from typing import Any

import av
import numpy as np

from openpi.data.lerobot import codecs


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How videos are written. A keyframe every second frame makes random access cheap."""

    fps: float
    height: int
    width: int
    crf: int | None = None  # quality, 0 is best; None: the codec's default
    gop: int = 2  # frames from one keyframe to the next
    preset: str | None = None  # of the encoder; None: the codec's default
    codec: str = "h264"  # one of codecs.CODECS

    def __post_init__(self) -> None:
        codec = codecs.find(self.codec)
        if self.height % 2 or self.width % 2:
            raise ValueError(
                f"{self.codec} (yuv420p) needs even sizes, and a frame is {self.height}x{self.width}: crop or pad it, "
                "or record the feature as 'image'"
            )
        if self.crf is not None and not 0 <= self.crf <= codec.max_crf:
            raise ValueError(f"crf is {self.crf}, and {self.codec} takes 0 to {codec.max_crf}")
        if self.gop < 1:
            raise ValueError(f"gop is {self.gop}, and must be at least 1")

    @property
    def rate(self) -> fractions.Fraction:
        return fractions.Fraction(self.fps).limit_denominator(1001)

    @property
    def encoder(self) -> str:
        return codecs.find(self.codec).encoder

    @property
    def options(self) -> dict[str, str]:
        return codecs.find(self.codec).settings(crf=self.crf, gop=self.gop, preset=self.preset)


class EpisodeEncoder:
    """Encodes the frames of one episode; holds the packets only, never the frames."""

    def __init__(self, encoding: Encoding) -> None:
        """Raises ValueError if the encoder does not take the settings."""
        self._encoding = encoding
        codec = av.CodecContext.create(encoding.encoder, "w")
        assert isinstance(codec, av.VideoCodecContext)
        self._codec = codec
        self._codec.width, self._codec.height = encoding.width, encoding.height
        self._codec.pix_fmt = "yuv420p"
        self._codec.framerate, self._codec.time_base = encoding.rate, 1 / encoding.rate
        self._codec.options = encoding.options
        self._codec.flags |= av.codec.context.Flags.global_header  # mp4 keeps the parameter sets in its header
        try:
            self._codec.open()
        except av.FFmpegError as error:
            raise ValueError(f"{encoding.encoder} takes no {encoding} ({error})") from error
        self._packets: list[av.Packet] = []
        self._num_frames = 0

    def add(self, rgb: np.ndarray) -> None:
        expected = (self._encoding.height, self._encoding.width, 3)
        if rgb.shape != expected or rgb.dtype != np.uint8:
            raise ValueError(f"video frame is {rgb.dtype} {list(rgb.shape)}, expected uint8 {list(expected)}")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts, frame.time_base = self._num_frames, self._codec.time_base
        self._num_frames += 1
        self._packets += self._codec.encode(frame)

    def finish(self) -> list[av.Packet]:
        """The packets of the episode, one a frame. The encoder is spent afterwards."""
        return self._packets + self._codec.encode(None)


class VideoFile:
    """An mp4 file to which whole episodes are appended, each starting with a keyframe."""

    def __init__(self, path: pathlib.Path, encoding: Encoding) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w", options={"movflags": "faststart"})
        stream = self._container.add_stream(encoding.encoder, encoding.rate, options=encoding.options)
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height, self._stream.pix_fmt = encoding.width, encoding.height, "yuv420p"
        self._rate = encoding.rate
        self._num_frames = 0
        self.num_bytes = 0

    @property
    def duration(self) -> float:
        """Seconds so far: where the next episode starts."""
        return float(self._num_frames / self._rate)

    def append(self, packets: Sequence[av.Packet]) -> None:
        for packet in packets:
            packet.stream = self._stream
            packet.time_base = 1 / self._rate
            packet.pts = packet.dts = self._num_frames
            packet.duration = 1
            self.num_bytes += packet.size
            self._num_frames += 1
            self._container.mux(packet)

    def close(self) -> None:
        self._container.close()


def probe(path: pathlib.Path) -> dict[str, Any]:
    """What LeRobot's info.json says of a video: codec, sizes, rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": stream.codec.canonical_name,
            "video.pix_fmt": stream.pix_fmt,
            "video.is_depth_map": False,
            "video.fps": int(stream.base_rate),
            "video.channels": 3,
            "has_audio": False,
        }
