"""Where the values of a serialized tf.train.Example lie, without copying them out of the record.

The protobuf runtime would copy every image only to tell what its bytes are; a reader that wants to fetch one image of one
step later needs to know where they stand. Of the wire format it takes what an Example is made of:

    Example {Features features = 1}    Features {map<string, Feature> feature = 1}
    Feature {oneof {BytesList = 1, FloatList = 2, Int64List = 3}}    each list {repeated value = 1}
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5  # wire types


class BytesList(NamedTuple):
    """Where strings of bytes lie in a record."""

    start: np.ndarray  # int64 [n]
    size: np.ndarray  # int64 [n]


def scan(data: bytes, wanted: Collection[str]) -> dict[str, BytesList | np.ndarray]:
    """The features of an Example that are named in `wanted`: a BytesList, or float32 [n].

    A feature that the Example lacks is lacking in the result.

    Raises:
      ValueError: the bytes are no Example, or a wanted feature holds integers.
    """
    out = {}
    for features in _delimited(data, 0, len(data), 1):
        for entry in _delimited(data, *features, 1):
            key = b"".join(data[slice(*span)] for span in _delimited(data, *entry, 1)).decode("utf-8")
            if key in wanted:
                for feature in _delimited(data, *entry, 2):
                    out[key] = _values(data, *feature, key)
    return out


def _values(data: bytes, start: int, stop: int, key: str) -> BytesList | np.ndarray:
    for number, _, begin, end in _fields(data, start, stop):
        if number == 1:
            spans = np.array(list(_delimited(data, begin, end, 1)), np.int64).reshape(-1, 2)
            return BytesList(spans[:, 0], spans[:, 1] - spans[:, 0])
        if number == 2:
            return _floats(data, begin, end)
        if number == 3:
            raise ValueError(f"feature {key!r} holds integers, where bytes or floats are wanted")
    raise ValueError(f"feature {key!r} holds nothing")


def _floats(data: bytes, start: int, stop: int) -> np.ndarray:
    """Packed or one by one: the format allows both."""
    pieces = [np.zeros(0, np.float32)]
    for number, wire_type, begin, end in _fields(data, start, stop):
        if number == 1 and wire_type in (_DELIMITED, _FIXED32):
            if (end - begin) % 4:
                raise ValueError(f"no tf.train.Example: {end - begin} bytes are no list of floats")
            pieces.append(np.frombuffer(data, "<f4", (end - begin) // 4, begin))
    return np.concatenate(pieces)


def _delimited(data: bytes, start: int, stop: int, wanted: int) -> Iterator[tuple[int, int]]:
    for number, wire_type, begin, end in _fields(data, start, stop):
        if number == wanted and wire_type == _DELIMITED:
            yield begin, end


def _fields(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, begin, end) of each field of the message in `data[start:stop]`."""
    while start < stop:
        tag, start = _varint(data, start, stop)
        wire_type = tag & 7
        if wire_type == _DELIMITED:
            size, start = _varint(data, start, stop)
        elif wire_type == _VARINT:
            size = _varint(data, start, stop)[1] - start
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(f"no tf.train.Example: wire type {wire_type} before byte {start}")
        if size > stop - start:
            raise ValueError(f"no tf.train.Example: a field of {size} bytes at byte {start} goes beyond its message")
        yield tag >> 3, wire_type, start, start + size
        start += size


def _varint(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """(value, position behind it)."""
    value = shift = 0
    while start < stop and shift < 64:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
        shift += 7
    raise ValueError(f"no tf.train.Example: an integer at byte {start} has no end")
