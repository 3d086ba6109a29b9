"""Every dialect of arrays in MessagePack that clients in the field speak: told apart by message, answered in kind.

- "openpi": the published one (`msgpack_numpy`), and its compressed images (`image_codec`).
- "msgpack-numpy": that package's maps `nd`, `type`, `kind`, `shape`, `data`; a scalar is `nd`: false, `type`, `data`: bytes.
- "raw": maps of exactly `data`: bytes, `dtype`, `shape`; dtype is "<f4" or a name such as "float32". Has no scalars.

Keys of the latter two may be text or bytes. A message holds one dialect; one without arrays counts as "openpi".
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import numpy as np

from openpi.client import image_codec, msgpack_numpy

_RAW_KEYS = {"data", "dtype", "shape"}
_CODES = {
    "bool": "|b1",
    **{
        f"{sign}int{8 * size}": f"{'|' if size == 1 else '<'}{sign or 'i'}{size}"
        for sign in ("", "u")
        for size in (1, 2, 4, 8)
    },
    **{f"float{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
_NAMES = {code: name for name, code in _CODES.items()}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a message writes its arrays.

    Attributes:
      kind: "openpi", "msgpack-numpy" or "raw".
      text_keys: whether the keys of an array's map are text; bytes otherwise.
      named_dtypes: whether raw arrays name their dtypes where they can: "float32" rather than "<f4".
    """

    kind: str
    text_keys: bool = False
    named_dtypes: bool = False


OPENPI = Dialect("openpi")


def packb(obj: Any, dialect: Dialect = OPENPI) -> bytes:
    """Encodes `obj` as `msgpack_numpy.packb` does, but for the arrays and scalars, which are written in `dialect`.

    Raises:
      ValueError: an array or scalar of a dtype that cannot be sent.
      TypeError: any other kind of object.
    """
    if dialect.kind == OPENPI.kind:
        return msgpack_numpy.packb(obj)
    write = _write_nd if dialect.kind == "msgpack-numpy" else _write_raw

    def default(value: Any) -> Any:
        msgpack_numpy.check_sendable(value)
        entry = write(value, dialect)
        if isinstance(entry, dict) and not dialect.text_keys:
            return {key.encode(): item for key, item in entry.items()}
        return entry

    return msgpack.packb(obj, default=default)


def unpackb(data: bytes, *, limits: msgpack_numpy.Limits = msgpack_numpy.DEFAULT_LIMITS) -> tuple[Any, Dialect]:
    """Decodes a message of any dialect; returns it and its dialect. Arrays are read-only; images are decompressed.

    Raises:
      DecodeError: the bytes are no message, mix dialects, or exceed the limits.
    """
    reader = _Reader(limits)
    value = msgpack_numpy.unpack_with(reader.read, data, limits)
    return value, reader.dialect()


class _Reader:
    """Turns the maps of one message into arrays, and notes their dialect."""

    def __init__(self, limits: msgpack_numpy.Limits) -> None:
        self._dialect: Dialect | None = None
        self._named_dtypes = False
        self._image_bytes = limits.max_image_bytes

    def dialect(self) -> Dialect:
        """That of the arrays read so far."""
        return dataclasses.replace(self._dialect, named_dtypes=self._named_dtypes) if self._dialect else OPENPI

    def read(self, entry: dict) -> Any:
        if b"__ndarray__" in entry or b"__npgeneric__" in entry:
            self._note(OPENPI)
            return msgpack_numpy.read_entry(entry)
        if image_codec.KEY in entry:
            self._note(OPENPI)
            image = image_codec.decompress(entry, max_bytes=self._image_bytes)
            self._image_bytes -= image.nbytes
            return image
        text_keys = "data" in entry
        named = (
            entry if text_keys else {k.decode(errors="replace"): v for k, v in entry.items() if isinstance(k, bytes)}
        )
        if len(named) != len(entry):
            return entry
        if {"nd", "type", "data"} <= named.keys():
            self._note(Dialect("msgpack-numpy", text_keys))
            return _read_nd(named)
        if named.keys() == _RAW_KEYS and isinstance(named["data"], bytes):
            dtype = named["dtype"]
            has_name = isinstance(dtype, str) and dtype in _CODES
            self._note(Dialect("raw", text_keys))
            self._named_dtypes |= has_name
            return msgpack_numpy.read_array(named["data"], _CODES[dtype] if has_name else dtype, named["shape"])
        return entry

    def _note(self, dialect: Dialect) -> None:
        if self._dialect not in (None, dialect):
            raise msgpack_numpy.DecodeError(
                f"arrays of two dialects in one message: {self._dialect} and {dialect}; write all of them alike"
            )
        self._dialect = dialect


def _read_nd(entry: dict) -> Any:
    if entry.get("kind", "") not in ("", b""):
        raise msgpack_numpy.DecodeError(
            "unsupported arrays of objects or structures; send numbers, bool, text or dates"
        )
    if entry["nd"] is True:
        return msgpack_numpy.read_array(entry["data"], entry["type"], entry.get("shape"))
    return msgpack_numpy.read_array(entry["data"], entry["type"], [])[()]


def _write_nd(value: Any, dialect: Dialect) -> dict:
    del dialect
    if isinstance(value, np.ndarray):
        return {"nd": True, "type": value.dtype.str, "kind": b"", "shape": value.shape, "data": value.tobytes()}
    return {"nd": False, "type": value.dtype.str, "data": value.tobytes()}


def _write_raw(value: Any, dialect: Dialect) -> Any:
    if isinstance(value, (np.bool_, np.number)):
        return value.item()
    code = value.dtype.str
    return {
        "data": value.tobytes(),
        "dtype": _NAMES.get(code, code) if dialect.named_dtypes else code,
        "shape": value.shape,
    }
