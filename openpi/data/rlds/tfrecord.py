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


class Record(NamedTuple):
    """The content of one record."""

    start: int  # of the content, in bytes from the file's beginning
    data: bytes


def masked_checksum(data: bytes) -> int:
    """The checksum that stands beside `data` in a file."""
    crc = google_crc32c.value(data)
    return (((crc >> _ROTATE) | (crc << (32 - _ROTATE))) + _SHIFT) & 0xFFFFFFFF


def read(path: pathlib.Path, *, check_data: bool = True) -> Iterator[Record]:
    """The records of a file, one in memory at a time. The lengths' checksums are always verified.

    Args:
      path: the file.
      check_data: verify the contents' checksums, too.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is damaged; names the record, counted from 0.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = number = 0
        while start < size:
            header = file.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                raise _damaged(path, number, f"the file ends within its header, at byte {size}")
            if masked_checksum(header[: LENGTH.size]) != CHECKSUM.unpack_from(header, LENGTH.size)[0]:
                raise _damaged(path, number, f"the checksum of its length, at byte {start}, is wrong")
            (length,) = LENGTH.unpack_from(header)
            start += _HEADER_BYTES
            if length > size - start - CHECKSUM.size:
                raise _damaged(path, number, f"its {length} bytes from byte {start} on go beyond the file's {size}")
            data, checksum = file.read(length), file.read(CHECKSUM.size)
            if len(data) < length or len(checksum) < CHECKSUM.size:
                raise _damaged(path, number, "the file became shorter while it was read")
            if check_data and masked_checksum(data) != CHECKSUM.unpack(checksum)[0]:
                raise _damaged(path, number, f"the checksum of its {length} bytes from byte {start} on is wrong")
            yield Record(start, data)
            start += length + CHECKSUM.size
            number += 1


def _damaged(path: pathlib.Path, number: int, what: str) -> ValueError:
    return ValueError(f"{path}: record {number}: {what}: fetch that file again")
