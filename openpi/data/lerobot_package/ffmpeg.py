"""FFmpeg for torchcodec, which loads its shared libraries by their plain names (libavcodec.so.61).

PyAV's wheel brings FFmpeg under names of its own (libavcodec-7ee0753d.so.61.19.101), so that nothing else need be
installed on the machine.
"""

import ctypes
import functools
import os
import pathlib

import av

# Each needs only those before it.
_LIBRARIES = ("avutil", "swresample", "swscale", "avcodec", "avformat", "avfilter", "avdevice")


@functools.cache
def provide() -> None:
    """Loads copies of PyAV's FFmpeg under their plain names. Call it before torchcodec is imported.

    A PyAV that was built against the machine's own FFmpeg has no such libraries, and torchcodec finds that FFmpeg itself.
    """
    folder = pathlib.Path(av.__file__).resolve().parent.with_name("av.libs")
    found = [path for name in _LIBRARIES for path in folder.glob(f"lib{name}-*.so.*")]
    plain_names = {path.name: _plain_name(path.name) for path in found}
    copies = []
    for path in found:
        library = path.read_bytes()
        for name, plain in plain_names.items():  # its own name, and those of the libraries that it needs
            library = _rename(library, name, plain)
        copies.append(os.memfd_create(path.name))  # all stay open to the end: the loader tells libraries apart by path
        with os.fdopen(copies[-1], "wb", closefd=False) as file:
            file.write(library)
        ctypes.CDLL(f"/proc/self/fd/{copies[-1]}")
    for copy in copies:
        os.close(copy)


def _plain_name(name: str) -> str:
    """libavcodec-7ee0753d.so.61.19.101 -> libavcodec.so.61"""
    stem, _, version = name.partition(".so.")
    return f"{stem.partition('-')[0]}.so.{version.partition('.')[0]}"


def _rename(library: bytes, old: str, new: str) -> bytes:
    """Changes a string of a shared library to a shorter one."""
    stored = old.encode() + b"\0"
    return library.replace(stored, new.encode().ljust(len(stored), b"\0"))
