import tracemalloc

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpi.client import msgpack_structure

_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda child: st.lists(child, max_size=5) | st.dictionaries(st.text() | st.binary(), child, max_size=5),
)


@settings(deadline=None)
@given(_values)
def test_what_msgpack_writes_is_accepted(value):
    msgpack_structure.check(msgpack.packb(value), max_depth=1000, max_items=1_000_000)


@pytest.mark.parametrize("size", [15, 16, 31, 32, 255, 256, 65_535, 65_536])
@pytest.mark.parametrize(
    "make", [lambda n: "x" * n, lambda n: b"x" * n, lambda n: [None] * n, lambda n: dict.fromkeys(map(str, range(n)))]
)
def test_every_width_of_length_is_read(make, size):
    message = msgpack.packb(make(size))
    msgpack_structure.check(message, max_depth=1, max_items=1_000_000)
    for broken in (message[:-1], message + b"\0"):
        with pytest.raises(ValueError, match="bytes|ends"):
            msgpack_structure.check(broken, max_depth=1, max_items=1_000_000)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_what_is_accepted_can_be_parsed(data):
    try:
        msgpack_structure.check(data, max_depth=32, max_items=1000)
    except ValueError:
        return
    # The walk judges structure alone: text may still be no UTF-8, keys may be of any type.
    msgpack.unpackb(data, raw=True, strict_map_key=False, object_pairs_hook=list, use_list=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends too early"),
        (b"\xc1", "0xc1 is not used"),
        (b"\xc7\x01\x05x", "0xc7 is not used"),
        (b"\xd6\xff\0\0\0\0", "0xd6 is not used"),
        (b"\xdd\xff\xff\xff\xff", "4294967295 more values"),
        (b"\xdf\xff\xff\xff\xff", "8589934590 more values"),
        (b"\xc6\xff\xff\xff\xff", "4294967295 bytes announced"),
        (b"\xdd\xff", "announced"),
        (b"\x91" * 34 + b"\xc0", "nested deeper than 32"),
        (b"\x90" * 2, "1 bytes too many"),
        (b"\xdc\x03\xe8" + b"\xc0" * 1000, "more than 1000 values"),
    ],
)
def test_refusals(data, message):
    with pytest.raises(ValueError, match=message):
        msgpack_structure.check(data, max_depth=32, max_items=1000)


def test_depth_counts_containers():
    msgpack_structure.check(msgpack.packb([[1, {}], [[]]]), max_depth=2, max_items=10)
    with pytest.raises(ValueError, match="nested deeper than 1"):
        msgpack_structure.check(msgpack.packb([[1]]), max_depth=1, max_items=10)


def test_announcements_take_no_memory():
    # A parser that believes each of these headers takes 8 MB for it.
    bomb = (b"\xdd" + (1_000_000).to_bytes(4, "big")) * 30 + b"\xc0" * 1_000_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="more values"):
        msgpack_structure.check(bomb, max_depth=32, max_items=10_000_000)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
