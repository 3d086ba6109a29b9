"""TFRecord files: records one after the other, each between its length and its checksums.

Source: the TFRecord format of TensorFlow; checksums are CRC-32C, rotated and shifted ("masked").
"""

import pathlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

import google_crc32c

LENGTH = struct.Struct("<Q")
CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = LENGTH.size + CHECKSUM.size
_ROTATE, _SHIFT = 15, 0xA282EAD8


class Span(NamedTuple):
    """Where the content of a record lies in its file, in bytes."""

    start: int
    size: int


class Record(NamedTuple):
    """The content of one record."""

    start: int  # in the file
    data: bytes


def masked_checksum(data: bytes) -> int:
    """The checksum that stands beside `data` in a file."""
    crc = google_crc32c.value(data)
    return (((crc >> _ROTATE) | (crc << (32 - _ROTATE))) + _SHIFT) & 0xFFFFFFFF


def spans(path: pathlib.Path) -> Iterator[Span]:
    """Finds a file's records by reading their headers alone. The checksums of the lengths are verified.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is damaged; names the record, counted from 0.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = number = 0
        while start < size:
            file.seek(start)
            header = file.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                raise _damaged(path, number, f"the file ends within its header, at byte {size}")
            if masked_checksum(header[: LENGTH.size]) != CHECKSUM.unpack_from(header, LENGTH.size)[0]:
                raise _damaged(path, number, f"the checksum of its length, at byte {start}, is wrong")
            (length,) = LENGTH.unpack_from(header)
            start += _HEADER_BYTES
            if length > size - start - CHECKSUM.size:
                raise _damaged(path, number, f"its {length} bytes from byte {start} on go beyond the file's {size}")
            yield Span(start, length)
            start += length + CHECKSUM.size
            number += 1


def read_one(path: pathlib.Path, number: int, span: Span, *, check_data: bool = True) -> Record:
    """Reads the record that `spans` found as its `number`-th.

    Args:
      path: the file.
      number: for errors.
      span: where the record is.
      check_data: verify the content's checksum.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is damaged.
    """
    with path.open("rb") as file:
        file.seek(span.start)
        data = file.read(span.size + CHECKSUM.size)
    if len(data) < span.size + CHECKSUM.size:
        raise _damaged(path, number, "the file became shorter while it was read")
    content = data[: span.size]
    if check_data and masked_checksum(content) != CHECKSUM.unpack_from(data, span.size)[0]:
        raise _damaged(path, number, f"the checksum of its {span.size} bytes from byte {span.start} on is wrong")
    return Record(span.start, content)


def read(path: pathlib.Path, *, check_data: bool = True) -> Iterator[Record]:
    """The records of a file in order, one in memory at a time; see `read_one`."""
    for number, span in enumerate(spans(path)):
        yield read_one(path, number, span, check_data=check_data)


def _damaged(path: pathlib.Path, number: int, what: str) -> ValueError:
    return ValueError(f"{path}: record {number}: {what}: fetch that file again")
