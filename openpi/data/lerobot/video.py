"""Video through PyAV: small-GOP h264 out, random access to single frames in.

Frames are uint8 RGB `[H, W, 3]`; times are seconds from the start of the file.
"""

import collections
import dataclasses
import fractions
import os
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import av
import av.video.reformatter
import numpy as np

TOLERANCE_S = 1e-4


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How videos are written. A keyframe every second frame makes random access cheap.

    There are no B-frames, so packets keep the frames' order.
    """

    fps: float
    height: int
    width: int
    crf: int = 18  # 0 is lossless, 51 worst; 18 is visually lossless
    gop: int = 2  # frames from one keyframe to the next
    preset: str = "veryfast"
    threads: int = 1  # fixed, so that the bytes do not depend on the machine

    def __post_init__(self) -> None:
        if self.height % 2 or self.width % 2:
            raise ValueError(
                f"h264 (yuv420p) needs even sizes, and a frame is {self.height}x{self.width}: crop or pad it, or "
                "record the feature as 'image'"
            )

    @property
    def rate(self) -> fractions.Fraction:
        return fractions.Fraction(self.fps).limit_denominator(1001)

    @property
    def options(self) -> dict[str, str]:
        names = {"crf": self.crf, "g": self.gop, "bf": 0, "threads": self.threads, "preset": self.preset}
        return {name: str(value) for name, value in names.items()}


class EpisodeEncoder:
    """Encodes the frames of one episode; holds the packets only, never the frames."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._codec = av.CodecContext.create("libx264", "w")
        self._codec.width, self._codec.height = encoding.width, encoding.height
        self._codec.pix_fmt = "yuv420p"
        self._codec.framerate, self._codec.time_base = encoding.rate, 1 / encoding.rate
        self._codec.options = encoding.options
        self._codec.flags |= av.codec.context.Flags.global_header  # mp4 keeps the parameter sets in its header
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
        self._stream = self._container.add_stream("libx264", encoding.rate, options=encoding.options)
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


class Decoder:
    """Random access to the frames of many video files.

    Open files are kept per thread (and per process, so that a fork shares none), the most recent ones only. A step
    forward of a few frames decodes on; anything else seeks to the keyframe before. Pickles as empty.
    """

    def __init__(self, max_open: int = 16) -> None:
        self._max_open = max_open
        self._local = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return Decoder, (self._max_open,)

    def frames(
        self, path: pathlib.Path, times: Sequence[float], size: tuple[int, int], tolerance: float = TOLERANCE_S
    ) -> np.ndarray:
        """Decodes the frames shown at `times`.

        Args:
          path: a video file.
          times: seconds from the start of the file, each within `tolerance` of a frame's own time.
          size: (H, W) that the frames must have.
          tolerance: seconds.

        Returns:
          uint8 `[len(times), H, W, 3]`.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it cannot be decoded, its frames are of another size, or none is near one of the times.
        """
        out = np.empty((len(times), *size, 3), np.uint8)
        try:
            video = self._open(path, size)
            for i, time in enumerate(times):
                out[i] = video.frame(time, tolerance)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"video {path} is missing: fetch or record the dataset again") from error
        except av.FFmpegError as error:
            self._files().pop(path, None)
            raise ValueError(f"video {path} cannot be decoded ({error}): fetch or record it again") from error
        return out

    def _files(self) -> "collections.OrderedDict[pathlib.Path, _OpenVideo]":
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.files = os.getpid(), collections.OrderedDict()
        return self._local.files

    def _open(self, path: pathlib.Path, size: tuple[int, int]) -> "_OpenVideo":
        files = self._files()
        if path not in files:
            files[path] = _OpenVideo(path)
            while len(files) > self._max_open:
                files.popitem(last=False)[1].close()
        files.move_to_end(path)
        if files[path].size != size:
            raise ValueError(
                f"video {path} is {files[path].size[0]}x{files[path].size[1]} (height x width), and the dataset's "
                f"info.json says {size[0]}x{size[1]}"
            )
        return files[path]


class _OpenVideo:
    _DECODE_ON_FRAMES = 4  # up to so many frames ahead, decoding on is cheaper than a seek

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._container = av.open(str(path))
        if not self._container.streams.video:
            self._container.close()
            raise ValueError(f"video {path} holds no video stream: fetch or record it again")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "NONE"  # threads add delay to every seek
        self._stream.codec_context.thread_count = 1
        self._reformatter = av.video.reformatter.VideoReformatter()  # reused: making one a frame halves the rate
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._last: tuple[float, av.VideoFrame] | None = None
        self._time_base = float(self._stream.time_base)
        self._duration = 1 / float(self._stream.average_rate or 30)
        self.size = (self._stream.height, self._stream.width)

    def close(self) -> None:
        self._container.close()

    def frame(self, time: float, tolerance: float) -> np.ndarray:
        """uint8 [H, W, 3]: the frame at `time`."""
        if self._last is not None and 0 <= time - self._last[0] + tolerance <= self._DECODE_ON_FRAMES * self._duration:
            found = self._decode_until(time, tolerance)
        else:
            for back in (0.0, 1.0, time):  # a seek may land behind the frame in odd files: then start earlier
                self._seek(time - back)
                found = self._decode_until(time, tolerance)
                if found is not None and found[0] <= time + tolerance:
                    break
        if found is None or abs(found[0] - time) > tolerance:
            near = "the video ends before" if found is None else f"the next one is at {found[0]:.6f} s"
            raise ValueError(
                f"video {self._path} has no frame at {time:.6f} s ({near}; tolerance {tolerance:g} s): it does not "
                "belong to this dataset's tables"
            )
        return self._reformatter.reformat(found[1], format="rgb24").to_ndarray()

    def _seek(self, time: float) -> None:
        self._container.seek(max(0, round(time / self._time_base)), stream=self._stream)
        self._frames = self._container.decode(self._stream)
        self._last = None

    def _decode_until(self, time: float, tolerance: float) -> tuple[float, av.VideoFrame] | None:
        while self._last is None or self._last[0] < time - tolerance:
            frame = next(self._frames, None)
            if frame is None:
                self._last = None
                break
            self._last = (frame.pts * self._time_base, frame)
        return self._last


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
