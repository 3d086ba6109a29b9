"""Recordings are read as they were written, to the last whole record, whatever happened to the file."""

import dataclasses
import functools
import pathlib
import struct
import tempfile
import zlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from openpi.client import image_codec, msgpack_dialects, msgpack_numpy
from openpi.server import record_file

_HEADER = record_file.Header(
    metadata={"robot": {"name": "arm"}, "openpi": {"noise_shape": [4, 3]}},
    checkpoint="checkpoints/arm/7",
    config_name="arm",
    started=1.5,
)
_RECORDS = st.builds(
    record_file.Record,
    session=st.text(max_size=9),
    request=st.integers(1, 2**40),
    arrived=st.floats(0, 2e9),
    drawn=st.none() | st.integers(0, 2**40),
    message=st.binary(max_size=60),
    reply=st.binary(max_size=60),
)


def _record(**changes):
    message = msgpack_numpy.packb({"state": np.arange(3.0), "openpi": {"num_steps": 3}})
    reply = msgpack_numpy.packb({"actions": np.ones((2, 3)), "server_timing": {"infer_ms": 1.0}})
    first = record_file.Record(session="5f0c", request=1, arrived=2.0, drawn=0, message=message, reply=reply)
    return dataclasses.replace(first, **changes)


def _write(path, records, header=_HEADER):
    path.write_bytes(b"".join([record_file.begin(header), *map(record_file.pack, records)]))
    return path


@functools.cache
def _scratch():
    return pathlib.Path(tempfile.mkdtemp()) / "a.recording"


@hypothesis.given(st.lists(_RECORDS, max_size=4))
def test_what_is_written_is_read(records):
    found = record_file.RecordFile(_write(_scratch(), records))
    assert found.header == _HEADER
    assert list(found) == records
    assert (len(found), found.left) == (len(records), 0)


def test_a_file_cut_anywhere_holds_the_records_before(tmp_path):
    records = [_record(request=number, message=b"m" * number, reply=b"") for number in range(1, 4)]
    ends = [len(record_file.begin(_HEADER))]
    for record in records:
        ends.append(ends[-1] + len(record_file.pack(record)))
    whole = _write(tmp_path / "whole.recording", records).read_bytes()
    cut = tmp_path / "cut.recording"
    for size in range(len(whole) + 1):
        cut.write_bytes(whole[:size])
        if size < ends[0]:
            with pytest.raises(record_file.EndsEarlyError, match="ends within its header"):
                record_file.RecordFile(cut)
            continue
        count = sum(end <= size for end in ends[1:])
        found = record_file.RecordFile(cut)
        assert list(found) == records[:count]
        assert found.left == size - ends[count]


@hypothesis.given(st.data())
def test_a_changed_byte_is_noticed(data):
    """In a length it may look like an early end; nowhere does it give another record."""
    records = [_record(), _record(request=2)]
    whole = bytearray(_write(_scratch(), records).read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    _scratch().write_bytes(whole)
    try:
        found = list(record_file.RecordFile(_scratch()))
    except ValueError:
        return
    assert found == records[: len(found)]
    assert len(found) < 2


@pytest.mark.parametrize("length", [2**32 - 1, 1000])
def test_an_announced_length_is_not_believed(tmp_path, length):
    path = _write(tmp_path / "a.recording", [_record()])
    path.write_bytes(path.read_bytes() + struct.pack("<II", length, 0) + b"short")
    found = record_file.RecordFile(path)
    assert (len(found), found.left) == (1, 13)


def _entry(**changes):
    return {key: value for key, value in (dataclasses.asdict(_record()) | changes).items() if value is not ...}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (_entry(session=3), "session must be str, got int"),
        (_entry(request=True), "request must be int, got bool"),
        (_entry(arrived="x"), "arrived must be float, got str"),
        (_entry(drawn=1.5), "drawn must be int, got float"),
        (_entry(message="text"), "message must be bytes, got str"),
        (_entry(reply=...), "reply must be bytes, got NoneType"),
        (_entry(reply=np.zeros(2)), "more than 0 arrays"),
        ([1, 2], "a record must be a map"),
        (_entry(more=[0] * 100), "more than 64 values"),
    ],
)
def test_a_record_that_is_none_is_refused(tmp_path, entry, text):
    path = _write(tmp_path / "a.recording", [])
    path.write_bytes(path.read_bytes() + _framed(entry))
    with pytest.raises(ValueError, match=text):
        list(record_file.RecordFile(path))


def _framed(entry):
    content = msgpack_numpy.packb(entry)
    return struct.pack("<II", len(content), zlib.crc32(content)) + content


def test_messages_stay_as_they_were_sent():
    image = np.random.default_rng(0).integers(256, size=(8, 6, 3), dtype=np.uint8)
    sent = msgpack_numpy.packb({"camera": image_codec.compress(image, "png"), "prompt": "go"})
    record = _record(
        message=sent, reply=msgpack_dialects.packb({"actions": np.ones(2)}, msgpack_dialects.Dialect("raw"))
    )
    assert record.message is sent
    np.testing.assert_array_equal(record.observation["camera"], image)
    np.testing.assert_array_equal(record.result["actions"], [1, 1])
    with pytest.raises(msgpack_numpy.DecodeError, match="a message is a dict; got list"):
        _ = _record(message=b"\x90").observation


def test_finds_files_in_their_order(tmp_path):
    with pytest.raises(FileNotFoundError, match="no recording at .*--record=DIR"):
        record_file.find(tmp_path)
    files = [_write(tmp_path / f"{name}.recording", []) for name in "ab"]
    (tmp_path / "c.txt").touch()
    assert record_file.find(tmp_path) == files
    assert record_file.find(str(files[1])) == files[1:]
    empty = tmp_path / "d.recording"
    empty.touch()  # by a server that was killed then
    assert [each.path for each in record_file.read(tmp_path)] == files
    empty.write_text("something else")
    with pytest.raises(ValueError, match="d.recording is no recording of version 1"):
        record_file.read(tmp_path)
