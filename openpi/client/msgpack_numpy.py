"""MessagePack with numpy arrays: the published wire dialect, byte for byte.

Array: a map with binary keys, in this order: `__ndarray__`: true, `data`: bin in C order, `dtype`: str such as "<f4", `shape`:
array of ints. Numpy scalar: `__npgeneric__`: true, `data`: a native value, `dtype`: str. Nothing is ever unpickled.
Other dialects: `msgpack_dialects`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np

from openpi.client import msgpack_structure

# bool, ints, floats, text and bytes of fixed length, dates. No objects, no structures, nothing whose size hangs on the machine.
_DTYPE = re.compile(r"[<>|]?(b1|[iu][1248]|f[248]|[US][1-9]\d{0,8}|[mM]8(\[\d{0,9}[a-zA-Z]{1,2}\])?)")
_MAX_AXES = 32
_MAX_EMPTY_AXIS = 1 << 20


class DecodeError(ValueError):
    """The bytes are not a message of this dialect, or exceed the limits."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a message may ask for.

    Attributes:
      max_depth: how deep arrays and maps may nest; a numpy array is one level.
      max_items: how many values there may be; a numpy array counts as 8 and its axes.
      max_arrays: how many numpy arrays.
      max_image_bytes: how large the compressed images of a message may be together, once decompressed.
    """

    max_depth: int = 32
    max_items: int = 100_000
    max_arrays: int = 1_000
    max_image_bytes: int = 64 * 2**20


DEFAULT_LIMITS = Limits()


def packb(obj: Any) -> bytes:
    """Encodes `obj`: dicts, lists, tuples (which come back as lists), str, bytes, numbers, bool, None, numpy arrays and scalars.

    Raises:
      ValueError: an array or scalar of a dtype that cannot be sent.
      TypeError: any other kind of object.
    """
    return msgpack.packb(obj, default=_pack)


def unpackb(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Any:
    """Decodes a message. Its arrays are read-only views of the received bytes.

    Raises:
      DecodeError: the bytes are not a message of this dialect, or exceed the limits. Lengths, shapes and dtypes are checked
        before memory is taken for them.
    """
    return unpack_with(read_entry, data, limits)


def unpack_with(read: Callable[[dict], Any], data: bytes, limits: Limits) -> Any:
    """Decodes a message whose maps `read` turns into what they stand for, arrays for instance; inner maps come first.

    Raises:
      DecodeError: the bytes are no message, or exceed the limits.
    """
    num_arrays = 0

    def hook(entry: dict) -> Any:
        nonlocal num_arrays
        value = read(entry)
        if isinstance(value, np.ndarray):
            num_arrays += 1
            if num_arrays > limits.max_arrays:
                raise DecodeError(f"more than {limits.max_arrays} arrays")
        return value

    try:
        msgpack_structure.check(data, max_depth=limits.max_depth, max_items=limits.max_items)
        return msgpack.unpackb(data, object_hook=hook)
    except DecodeError:
        raise
    except ValueError as error:
        raise DecodeError(f"not a valid msgpack message: {error}") from None


def read_entry(entry: dict) -> Any:
    """The array or scalar that a map of this dialect stands for; any other map as it is."""
    if b"__ndarray__" in entry:
        return read_array(entry.get(b"data"), entry.get(b"dtype"), entry.get(b"shape"))
    return _read_scalar(entry.get(b"data"), entry.get(b"dtype")) if b"__npgeneric__" in entry else entry


def read_array(data: Any, dtype: Any, shape: Any) -> np.ndarray:
    """The array that lies in `data`, as a read-only view; whatever they are, the arguments are checked first.

    Raises:
      DecodeError: they make no array.
    """
    parsed = _parse_dtype(dtype)
    if not isinstance(data, bytes):
        raise DecodeError(f"data of an array must be bytes, got {type(data).__name__}")
    if not isinstance(shape, list) or not all(type(axis) is int and axis >= 0 for axis in shape):
        raise DecodeError("shape of an array must be a list of whole numbers from 0 up")
    if len(shape) > _MAX_AXES:
        raise DecodeError(f"an array has {len(shape)} axes; at most {_MAX_AXES} can be sent")
    if math.prod(shape) * parsed.itemsize != len(data):
        raise DecodeError(f"an array of shape {shape} and dtype {parsed.str} cannot have {len(data)} bytes")
    # No bytes at all, but a loop over such an axis would not end.
    if not data and max(shape) > _MAX_EMPTY_AXIS:
        raise DecodeError(f"an empty array of shape {shape} is too large")
    _check_values(parsed, data)
    try:
        return np.ndarray(shape, parsed, data)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"not an array: {error}") from None


def check_sendable(obj: Any) -> None:
    """Raises ValueError for a numpy array or scalar of a dtype that cannot be sent, TypeError for anything but these."""
    if not isinstance(obj, (np.ndarray, np.generic)):
        raise TypeError(f"can not serialize {type(obj).__name__!r} object")
    if not _DTYPE.fullmatch(obj.dtype.str):
        raise ValueError(f"dtype {obj.dtype} cannot be sent; send numbers, bool, str, bytes or dates")


def _pack(obj: Any) -> dict:
    check_sendable(obj)
    if isinstance(obj, np.ndarray):
        return {b"__ndarray__": True, b"data": obj.tobytes(), b"dtype": obj.dtype.str, b"shape": obj.shape}
    return {b"__npgeneric__": True, b"data": obj.item(), b"dtype": obj.dtype.str}


def _check_values(dtype: np.dtype, data: bytes) -> None:
    """Refuses bytes that are no value of their dtype, on which numpy and Python do undefined things."""
    if dtype.kind == "b" and np.frombuffer(data, np.uint8).max(initial=0) > 1:
        raise DecodeError("an array of bool has bytes other than 0 and 1")
    if dtype.kind == "U" and np.frombuffer(data, f"{dtype.str[0]}u4").max(initial=0) > 0x10FFFF:
        raise DecodeError("an array of text has letters beyond Unicode")


def _read_scalar(data: Any, dtype: Any) -> np.generic:
    parsed = _parse_dtype(dtype)
    if parsed.kind not in "biuf" or type(data) not in (bool, int, float):
        raise DecodeError(f"a scalar must be a number or bool, got {type(data).__name__} as {parsed.str}")
    try:
        with np.errstate(over="ignore"):  # a number beyond a float's range is infinite
            return parsed.type(data)
    except (ValueError, TypeError, OverflowError) as error:
        raise DecodeError(f"a scalar is not of its dtype {parsed.str}: {error}") from None


def _parse_dtype(text: Any) -> np.dtype:
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise DecodeError(f"unsupported dtype {str(text)[:40]!r}")
    try:
        return np.dtype(text)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"unsupported dtype {text!r}: {error}") from None
