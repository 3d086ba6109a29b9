"""Random access to single frames of video files through PyAV.

Frames are uint8 RGB `[H, W, 3]`; times are seconds from the start of the file.
"""

import collections
import errno
import os
import pathlib
import resource
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import av
import av.video.reformatter
import numpy as np

TOLERANCE_S = 1e-4


class _Files(collections.OrderedDict[pathlib.Path, "_OpenVideo"]):
    """Those that a thread has open, the latest last. They are closed when it ends."""

    def __del__(self) -> None:
        for video in self.values():
            video.close()


_OPEN_FILES = weakref.WeakValueDictionary[int, _Files]()  # of each thread


class Decoder:
    """Random access to the frames of many video files.

    Open files are kept per thread (and per process, so that a fork shares none), the most recent ones only: all threads
    together, a quarter of the files that the process may have open. A step forward of a few frames decodes on; anything
    else seeks to the keyframe before. Pickles as empty.
    """

    def __init__(self, max_open: int = 16) -> None:
        self._max_open = max_open
        self._local = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return Decoder, (self._max_open,)

    def frame(self, path: pathlib.Path, time: float, tolerance: float, out: np.ndarray) -> None:
        """Decodes the frame shown at `time`.

        Args:
          path: a video file.
          time: seconds from the start of the file, within `tolerance` of a frame's own time.
          tolerance: seconds.
          out: uint8 `[H, W, 3]`, which the frame is written to; its size must be the video's.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: it cannot be decoded, its frames are of another size, or none is near that time.
          OSError: the process has too many files open.
        """
        try:
            self._open(path, out.shape[:2]).read(time, tolerance, out)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"video {path} is missing: fetch or record the dataset again") from error
        except av.FFmpegError as error:
            if path in self._files():
                self._files().pop(path).close()
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise OSError(error.errno, "too many files are open: raise `ulimit -n`", str(path)) from error
            raise ValueError(f"video {path} cannot be decoded ({error}): fetch or record it again") from error

    def frames(
        self, path: pathlib.Path, times: Sequence[float], size: tuple[int, int], tolerance: float = TOLERANCE_S
    ) -> np.ndarray:
        """The frames at several times, as `frame` gives them: uint8 `[len(times), H, W, 3]`, of `size` (H, W)."""
        out = np.empty((len(times), *size, 3), np.uint8)
        for time, image in zip(times, out, strict=True):
            self.frame(path, time, tolerance, image)
        return out

    def _files(self) -> _Files:
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.files = os.getpid(), _Files()
            _OPEN_FILES[id(self._local.files)] = self._local.files
        return self._local.files

    def _open(self, path: pathlib.Path, size: tuple[int, int]) -> "_OpenVideo":
        files = self._files()
        if path not in files:
            share = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4 // len(_OPEN_FILES)
            while len(files) >= min(self._max_open, max(1, share)):
                files.popitem(last=False)[1].close()
            files[path] = _OpenVideo(path)
        files.move_to_end(path)
        if files[path].size != size:
            raise ValueError(
                f"video {path} is {files[path].size[0]}x{files[path].size[1]} (height x width), and the dataset's "
                f"info.json says {size[0]}x{size[1]}"
            )
        return files[path]


_FORMAT = "mp4"  # told, not guessed from the content: a list of other files to play is a video to FFmpeg, too
# FFmpeg decodes several frames on opening to learn what an mp4's header says already: without, it is 15 times as fast.
_OPEN, _OPEN_STREAM = {"probesize": "32"}, {"skip_frame": "all"}  # of that first look only: nothing is skipped later


class _OpenVideo:
    _DECODE_ON_FRAMES = 4  # up to so many frames ahead, decoding on is cheaper than a seek

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        options: list[Any] = [_OPEN_STREAM]  # dicts, whatever PyAV's stub says
        self._container = av.open(str(path), format=_FORMAT, options=_OPEN, stream_options=options)
        if not self._container.streams.video or self._container.streams.video[0].codec_context is None:
            self._container.close()
            raise ValueError(f"video {path} holds no video stream of a known codec: fetch or record it again")
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

    def read(self, time: float, tolerance: float, out: np.ndarray) -> None:
        """Writes the frame at `time` to `out`, uint8 [H, W, 3]."""
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
        if (
            found[1].height,
            found[1].width,
        ) != self.size:  # a stream may change its size, whatever the file's header says
            raise ValueError(
                f"video {self._path} has a frame of {found[1].height}x{found[1].width} (height x width) at {time:.6f} s, and its "
                f"header says {self.size[0]}x{self.size[1]}: fetch or record it again"
            )
        plane = self._reformatter.reformat(found[1], format="rgb24").planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(
            plane.height, plane.line_size
        )  # longer than the picture is wide
        out[:] = lines[:, : 3 * plane.width].reshape(out.shape)

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
