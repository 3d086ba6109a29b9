"""The video codecs that can be written, each with the encoder and settings that make single frames quick to reach.

Packets keep the frames' order: h264 and hevc use no B-frames, and AV1 has a packet for every frame shown. The bytes do not
depend on the machine's number of cores.
"""

import dataclasses
import os

import av


@dataclasses.dataclass(frozen=True)
class Codec:
    encoder: str  # FFmpeg's name
    crf: int  # default quality, visually lossless: 0 is best
    max_crf: int
    preset: str  # default trade of speed for size
    options: str = ""  # how the encoder's own options are named
    own: str = ""  # its own options, `{gop}` filled in

    def settings(self, *, crf: int | None, gop: int, preset: str | None) -> dict[str, str]:
        """FFmpeg's options; None means the codec's default."""
        names = {
            "crf": self.crf if crf is None else crf,
            "g": gop,
            "bf": 0,
            "threads": 1,
            "preset": self.preset if preset is None else preset,
        }
        return {name: str(value) for name, value in names.items()} | (
            {self.options: self.own.format(gop=gop)} if self.options else {}
        )


CODECS = {
    "h264": Codec("libx264", 18, 51, "veryfast"),
    "hevc": Codec(
        "libx265",
        22,
        51,
        "ultrafast",
        "x265-params",
        "log-level=error:pools=none:frame-threads=1:bframes=0:keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0",
    ),
    "av1": Codec("libsvtav1", 30, 63, "10", "svtav1-params", "lp=1:scd=0"),
}


def find(name: str) -> Codec:
    """The codec of this name. Raises ValueError where there is none, or this build of FFmpeg cannot write it."""
    if name not in CODECS:
        raise ValueError(f"video codec {name!r}: must be one of {', '.join(CODECS)}")
    codec = CODECS[name]
    if codec.encoder not in av.codecs_available:
        able = [other for other, entry in CODECS.items() if entry.encoder in av.codecs_available]
        raise ValueError(
            f"video codec {name!r}: PyAV {av.__version__} has no {codec.encoder} here; use {', '.join(able)}"
        )
    if codec.encoder == "libsvtav1":  # it prints its settings for every episode
        os.environ.setdefault("SVT_LOG", "1")  # errors only
    return codec
