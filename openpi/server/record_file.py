"""The file of a recording: what clients asked a policy server and what it answered, message by message, as they went.

A line `openpi recording 1`, then frames: length and CRC-32 of what follows (little-endian uint32 each), then a map in the
wire's MessagePack (`openpi/client/msgpack_numpy`). The first frame is the header, each further one a request with its reply.
Nothing is ever unpickled, and no length is believed before the file is known to be as long.

A file whose writer was killed ends anywhere: it is read up to its last whole frame.
"""

import dataclasses
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from openpi.client import msgpack_dialects, msgpack_numpy

SUFFIX = ".recording"
_MAGIC = b"openpi recording 1\n"
_HEAD = struct.Struct("<II")
_LIMITS = msgpack_numpy.Limits(max_depth=4, max_items=64, max_arrays=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """What answered the requests of a file.

    Attributes:
      metadata: what the server told its clients.
      checkpoint: where the policy came from.
      config_name: name of its configuration.
      started: seconds since 1970.
    """

    metadata: dict[str, Any]
    checkpoint: str
    config_name: str
    started: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A request and its reply.

    Attributes:
      session: name of the client's connection.
      request: number of the request in its session, from 1; `session-request` is its id in the server's log.
      arrived: seconds since 1970.
      drawn: how many requests the policy had drawn noise for before this one; None if that is not known.
      message: the observation with its options, as the client sent it: images stay compressed.
      reply: as the server sent it.
    """

    session: str
    request: int
    arrived: float
    drawn: int | None
    message: bytes
    reply: bytes

    @property
    def observation(self) -> dict[str, Any]:
        """The observation with its options, decoded anew. Raises DecodeError if it is none."""
        return _decode(self.message)

    @property
    def result(self) -> dict[str, Any]:
        """The policy's result with all timings, decoded anew. Raises DecodeError if it is none."""
        return _decode(self.reply)


class EndsEarlyError(ValueError):
    """A file whose writer was stopped before the header was written."""


def begin(header: Header) -> bytes:
    """The bytes that a file begins with."""
    return _MAGIC + _frame(dataclasses.asdict(header) | {"metadata": msgpack_numpy.packb(header.metadata)})


def pack(record: Record) -> bytes:
    """The bytes of a request."""
    return _frame(dataclasses.asdict(record))


def _frame(entry: dict[str, Any]) -> bytes:
    """A map with its length and checksum before it."""
    content = msgpack_numpy.packb(entry)
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def find(path: str | pathlib.Path) -> list[pathlib.Path]:
    """The files of a recording: that at `path`, or all in the folder there, oldest first.

    Raises:
      FileNotFoundError: there is none.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return [path]
    if files := sorted(path.glob(f"*{SUFFIX}")):
        return files
    raise FileNotFoundError(
        f"no recording at {path}: give a file or folder that //openpi/serve wrote with --record=DIR"
    )


def read(path: str | pathlib.Path) -> list["RecordFile"]:
    """The files of a recording (`find`), those left out whose writer was stopped before they held anything.

    Raises:
      FileNotFoundError: there is none.
      ValueError: a file is no recording.
    """
    files = []
    for each in find(path):
        try:
            files.append(RecordFile(each))
        except EndsEarlyError:
            continue
    return files


class RecordFile:
    """A file, read: a sequence of its records, each of which is read when asked for.

    Attributes:
      header: what answered.
      left: bytes at the end that are no whole record; 0 unless the writer was stopped halfway.
    """

    def __init__(self, path: str | pathlib.Path):
        """Finds the records.

        Raises:
          FileNotFoundError: there is no such file.
          EndsEarlyError: not even its header is whole.
          ValueError: it is no recording.
        """
        self.path = pathlib.Path(path)
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            magic = file.read(len(_MAGIC))
            if not _MAGIC.startswith(magic):
                raise ValueError(f"{self.path} is no recording of version 1: it does not begin with {_MAGIC[:-1]!r}")
            places = []
            position = len(_MAGIC)
            while position + _HEAD.size <= size:
                file.seek(position)
                length, _ = _HEAD.unpack(file.read(_HEAD.size))
                if position + _HEAD.size + length > size:
                    break
                places.append((position, length))
                position += _HEAD.size + length
        if not places:
            raise EndsEarlyError(f"{self.path} ends within its header: it holds no request")
        self.left = size - position
        self.header = self._header(places[0])
        self._places = places[1:]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Record:
        """Raises ValueError if the record is damaged."""
        place = self._places[index]
        entry = self._read(place)
        where = f"{self.path}, byte {place[0]}"
        drawn = entry.get("drawn")
        return Record(
            session=_field(entry, "session", str, where),
            request=_field(entry, "request", int, where),
            arrived=_field(entry, "arrived", float, where),
            drawn=None if drawn is None else _field(entry, "drawn", int, where),
            message=_field(entry, "message", bytes, where),
            reply=_field(entry, "reply", bytes, where),
        )

    def __iter__(self) -> Iterator[Record]:
        return (self[index] for index in range(len(self)))

    def _header(self, place: tuple[int, int]) -> Header:
        entry, where = self._read(place), f"{self.path}, header"
        metadata = msgpack_numpy.unpackb(_field(entry, "metadata", bytes, where))
        if not isinstance(metadata, dict):
            raise ValueError(f"{where}: metadata must be a map")
        return Header(
            metadata=metadata,
            checkpoint=_field(entry, "checkpoint", str, where),
            config_name=_field(entry, "config_name", str, where),
            started=_field(entry, "started", float, where),
        )

    def _read(self, place: tuple[int, int]) -> dict[str, Any]:
        position, length = place
        with self.path.open("rb") as file:
            file.seek(position)
            _, checksum = _HEAD.unpack(file.read(_HEAD.size))
            content = file.read(length)
        if zlib.crc32(content) != checksum:
            raise ValueError(f"{self.path} is damaged at byte {position}: the checksum is not that of the bytes")
        entry = msgpack_numpy.unpackb(content, limits=_LIMITS)
        if not isinstance(entry, dict):
            raise ValueError(f"{self.path}, byte {position}: a record must be a map")
        return entry


def _field(entry: dict[str, Any], name: str, kind: type, where: str) -> Any:
    value = entry.get(name)
    if type(value) is not kind:
        raise ValueError(f"{where}: {name} must be {kind.__name__}, got {type(value).__name__}")
    return value


def _decode(message: bytes) -> dict[str, Any]:
    value, _ = msgpack_dialects.unpackb(message)
    if not isinstance(value, dict):
        raise msgpack_numpy.DecodeError(f"a message is a dict; got {type(value).__name__}")
    return value
