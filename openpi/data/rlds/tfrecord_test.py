import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.data.rlds import recording, tfrecord


def test_the_published_check_value_of_crc32c_masked():
    # CRC-32C of "123456789" is 0xE3069283; masked by hand
    crc = 0xE3069283
    expected = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32
    assert tfrecord.masked_checksum(b"123456789") == expected


@given(contents=st.lists(st.binary(max_size=50), max_size=5))
def test_what_is_framed_is_read(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("records") / "file"
    whole = b"".join(map(recording.frame, contents))
    path.write_bytes(whole)
    records = list(tfrecord.read(path))
    assert [record.data for record in records] == contents
    assert all(whole[record.start :].startswith(record.data) for record in records)


FIRST, SECOND = recording.frame(b"first"), recording.frame(b"second")  # 21 and 22 bytes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FIRST + SECOND[:7], "record 1: the file ends within its header, at byte 28"),
        (FIRST + SECOND[:-1], "record 1: its 6 bytes from byte 33 on go beyond the file's 42"),
        (FIRST + SECOND[:14], "record 1: its 6 bytes from byte 33 on go beyond the file's 35"),
        (FIRST + b"\xff" * 22, "record 1: the checksum of its length, at byte 21, is wrong"),
        (FIRST[:12] + b"x" + FIRST[13:], "record 0: the checksum of its 5 bytes from byte 12 on is wrong"),
        (FIRST[:-1] + b"x", "record 0: the checksum of its 5 bytes from byte 12 on is wrong"),
    ],
)
def test_damage_is_named(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=f"^{tmp_path}/file: {message}: fetch that file again$"):
        list(tfrecord.read(tmp_path / "file"))


def test_a_length_that_no_memory_holds_is_not_allocated(tmp_path):
    length = tfrecord.LENGTH.pack(1 << 60)
    header = length + tfrecord.CHECKSUM.pack(tfrecord.masked_checksum(length))
    (tmp_path / "file").write_bytes(header + b"data")
    with pytest.raises(ValueError, match="its 1152921504606846976 bytes from byte 12 on go beyond the file's 16"):
        list(tfrecord.read(tmp_path / "file"))


def test_contents_are_not_verified_when_not_asked_for(tmp_path):
    (tmp_path / "file").write_bytes(FIRST[:12] + b"x" + FIRST[13:])
    assert [record.data for record in tfrecord.read(tmp_path / "file", check_data=False)] == [b"xirst"]
