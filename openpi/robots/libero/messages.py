"""Messages between this program and LIBERO's own Python, over a pipe: JSON and arrays, nothing that could run code.

A message is the length of its header (4 bytes, little endian), the header (JSON: `fields`, and name, dtype and shape of each of
the `arrays`), and the arrays' bytes. This file runs on Python 3.8, and needs numpy only.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

_MOST_HEADER = 1 << 20
_MOST_BYTES = 1 << 26
_DTYPES = ("uint8", "float32", "float64")
_MOST_AXES = 4


def write(stream: IO[bytes], fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Sends a message, and does not wait for more. Raises ValueError for arrays that cannot be sent."""
    described = []
    for name, array in arrays.items():
        if array.dtype.name not in _DTYPES or array.ndim > _MOST_AXES:
            raise ValueError(f"array {name!r} is {array.dtype} {array.shape}; only {', '.join(_DTYPES)} can be sent")
        described.append([name, array.dtype.name, list(array.shape)])
    header = json.dumps({"fields": dict(fields), "arrays": described}).encode()
    parts = [struct.pack("<I", len(header)), header]
    parts += [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    stream.write(b"".join(parts))
    stream.flush()


def read(stream: IO[bytes]) -> tuple[Mapping[str, Any], Mapping[str, np.ndarray]]:
    """Waits for a message: its fields and arrays.

    Raises:
      EOFError: the other side has ended.
      ValueError: it is no such message, or larger than any.
    """
    (size,) = struct.unpack("<I", _exactly(stream, 4))
    if size > _MOST_HEADER:
        raise ValueError(f"a header of {size} bytes: no message of LIBERO's simulator")
    try:
        header = json.loads(_exactly(stream, size).decode())
        fields, described = header["fields"], header["arrays"]
        layouts = [(str(name), _layout(dtype, shape)) for name, dtype, shape in described]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no message of LIBERO's simulator: {error}") from None
    if not isinstance(fields, dict) or sum(size for _, (_, _, size) in layouts) > _MOST_BYTES:
        raise ValueError("no message of LIBERO's simulator: its fields are no object, or its arrays too large")
    arrays = {}
    for name, (dtype, shape, num_bytes) in layouts:
        arrays[name] = np.frombuffer(_exactly(stream, num_bytes), dtype).reshape(shape)
    return fields, arrays


def _layout(dtype: Any, shape: Any) -> tuple[np.dtype, tuple[int, ...], int]:
    """(dtype, shape, bytes) of an array that is told of."""
    if dtype not in _DTYPES or not isinstance(shape, list) or len(shape) > _MOST_AXES:
        raise ValueError(f"an array of dtype {dtype!r:.40} and shape {shape!r:.80}")
    count = 1
    for length in shape:
        if type(length) is not int or not 0 <= length <= _MOST_BYTES:
            raise ValueError(f"an array of shape {shape!r:.80}")
        count *= length
    return np.dtype(dtype), tuple(shape), count * np.dtype(dtype).itemsize


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if content is None or len(content) < size:
        raise EOFError("the other side has ended")
    return content
