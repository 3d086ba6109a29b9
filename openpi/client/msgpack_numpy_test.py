import json
import pathlib
import random

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.client import msgpack_numpy

_DIRECTORY = pathlib.Path(__file__).parent / "testdata" / "protocol"
_GOLDEN = json.loads((_DIRECTORY / "msgpack.json").read_text())
_ARRAYS = np.load(_DIRECTORY / "msgpack_arrays.npz", allow_pickle=False)


def _build(value):
    """Returns the Python value that an entry of the golden file describes."""
    kind, content = next(iter(value.items()))
    if kind == "dict":
        return {_key(key): _build(entry) for key, entry in content}
    if kind == "list":
        return [_build(entry) for entry in content]
    if kind == "ndarray":
        return _ARRAYS[content.replace("#back", "")]
    if kind == "ndarray_iso":
        return np.array(content, value["dtype"])
    if kind == "numpy_scalar":
        return np.dtype(value["dtype"]).type(content)
    return bytes.fromhex(content) if kind == "bytes_hex" else content


def _key(key):
    return key.removeprefix("bytes:").encode() if str(key).startswith("bytes:") else key


def _assert_same(actual, expected):
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key, value in expected.items():
            _assert_same(actual[key], value)
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            _assert_same(one, other)
    elif isinstance(expected, np.ndarray | np.generic):
        assert actual.dtype.str == expected.dtype.str
        np.testing.assert_array_equal(actual, expected, strict=True)
    else:
        np.testing.assert_equal(actual, expected)  # NaN equals itself


@pytest.mark.parametrize("case", _GOLDEN["cases"], ids=lambda case: case["id"])
def test_golden(case):
    data = (_DIRECTORY / case["file"]).read_bytes()
    assert msgpack_numpy.packb(_build(case["value"])) == data
    if "unpack_raises" in case:
        with pytest.raises(msgpack_numpy.DecodeError):
            msgpack_numpy.unpackb(data)
    else:
        _assert_same(msgpack_numpy.unpackb(data), _build(case["unpacked"]))


@pytest.mark.parametrize("frame", range(6))
def test_recorded_frames_are_packed_again_to_the_same_bytes(frame):
    data = (_DIRECTORY / f"ws_frame_{frame:02d}.bin").read_bytes()
    assert msgpack_numpy.packb(msgpack_numpy.unpackb(data)) == data


_REJECTED = {
    "complex array": np.zeros(2, np.complex64),
    "object array": np.array([object()]),
    "void array": np.zeros(2, "V3"),
    "complex scalar": np.complex128(1j),
    "set": {1},
}


@pytest.mark.parametrize("case", _GOLDEN["rejected"], ids=lambda case: case["value"])
def test_golden_rejections(case):
    with pytest.raises({"ValueError": ValueError, "TypeError": TypeError}[case["raises"]]):
        msgpack_numpy.packb({"x": _REJECTED[case["value"]]})


def test_a_rejected_dtype_is_named():
    with pytest.raises(ValueError, match="dtype complex64"):
        msgpack_numpy.packb(_REJECTED["complex array"])
    with pytest.raises(ValueError, match="dtype .*i4.* cannot be sent"):
        msgpack_numpy.packb(np.zeros(2, [("a", np.int32)]))


def test_tuples_come_back_as_lists_and_views_in_c_order():
    view = np.arange(24).reshape(4, 6)[::2, ::-3]
    back = msgpack_numpy.unpackb(msgpack_numpy.packb({"t": (1, (2,)), "v": view}))
    assert back["t"] == [1, [2]]
    np.testing.assert_array_equal(back["v"], view, strict=True)
    assert not back["v"].flags.writeable


_dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes(endianness="?")
    | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
    | hnp.unicode_string_dtypes(endianness="?", min_len=1)
    | hnp.byte_string_dtypes(min_len=1)
    | hnp.datetime64_dtypes(endianness="?")
)
_arrays = hnp.arrays(_dtypes, hnp.array_shapes(min_dims=0, min_side=0))
_numbers = (hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes(sizes=(16, 32))).flatmap(
    hnp.from_dtype
)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
    | _arrays
    | _numbers
)
_values = st.recursive(
    _leaves, lambda child: st.lists(child, max_size=4) | st.dictionaries(st.text(), child, max_size=4)
)


@settings(deadline=None, max_examples=50)
@given(_values)
def test_round_trip(value):
    _assert_same(msgpack_numpy.unpackb(msgpack_numpy.packb(value)), value)


def _decodes_or_refuses(data):
    try:
        msgpack_numpy.unpackb(data)
    except msgpack_numpy.DecodeError as error:
        assert "\n" not in str(error)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data):
    _decodes_or_refuses(data)


@settings(deadline=None)
@given(
    st.sampled_from(_GOLDEN["cases"]), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_mutated_messages_raise_nothing_else(case, changes):
    data = bytearray((_DIRECTORY / case["file"]).read_bytes())
    for place, byte in changes:
        data[min(int(place * len(data)), len(data) - 1)] = byte
    _decodes_or_refuses(bytes(data))


_odd = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=16)
    | st.lists(st.integers(-1, 2**63))
)
_odd_dtypes = st.sampled_from(
    ["<f8", "|b1", "<U4", ">U1", "|S3", "<M8[D]", "<m8", "|O", "|V4", "<c8", "f4,f4", "<f16", "", "<M8[xy]", "<U0"]
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            b"__ndarray__": _odd,
            b"__npgeneric__": _odd,
            b"data": _odd,
            b"dtype": _odd | _odd_dtypes,
            b"shape": _odd,
        },
    )
)
def test_malformed_arrays_raise_nothing_else(entry):
    _decodes_or_refuses(msgpack.packb(entry))


@pytest.mark.filterwarnings("error")
def test_a_scalar_beyond_its_range_is_infinite():
    entry = {b"__npgeneric__": True, b"data": 1e300, b"dtype": "<f2"}
    assert msgpack_numpy.unpackb(msgpack.packb(entry)) == np.float16(np.inf)


def test_messages_cut_short_or_shuffled_are_refused():
    data = (_DIRECTORY / "msgpack_observation.bin").read_bytes()
    for end in range(len(data)):
        with pytest.raises(msgpack_numpy.DecodeError):
            msgpack_numpy.unpackb(data[:end])
    rng = random.Random(0)
    for _ in range(300):
        _decodes_or_refuses(bytes(rng.sample(data, len(data))))


def _array(**changes):
    entry = {b"__ndarray__": True, b"data": bytes(8), b"dtype": "<f4", b"shape": [2]}
    return {**entry, **{key.encode(): value for key, value in changes.items()}}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (_array(shape=[3]), "cannot have 8 bytes"),
        (_array(shape=[2**62, 2**62]), "cannot have 8 bytes"),
        (_array(shape=[-2]), "whole numbers from 0 up"),
        (_array(shape=[-1, -2]), "whole numbers from 0 up"),
        (_array(shape=[2.0]), "whole numbers from 0 up"),
        (_array(shape=[True, 2]), "whole numbers from 0 up"),
        (_array(shape=None), "whole numbers from 0 up"),
        (_array(shape=[1] * 32 + [2]), "33 axes"),
        (_array(shape=[0, 2**40], data=b""), "too large"),
        (_array(shape=[0, 2**62, 2**62], data=b""), "too large"),
        (_array(data="01234567"), "must be bytes, got str"),
        (_array(dtype="|O", data=bytes(16)), "unsupported dtype '|O'"),
        (_array(dtype="|V4"), "unsupported dtype"),
        (_array(dtype="<c8", shape=[1]), "unsupported dtype"),
        (_array(dtype="f4,f4", shape=[1]), "unsupported dtype"),
        (_array(dtype=b"<f4"), "unsupported dtype"),
        (_array(dtype="<U999999999"), "unsupported dtype|cannot have"),
        (_array(dtype="|b1", data=b"\x02", shape=[1]), "bytes other than 0 and 1"),
        (_array(dtype="<U1", data=b"\xff" * 8), "letters beyond Unicode"),
        ({b"__npgeneric__": True, b"data": 300, b"dtype": "|u1"}, "not of its dtype"),
        ({b"__npgeneric__": True, b"data": "1", b"dtype": "<f4"}, "must be a number or bool"),
        ({b"__npgeneric__": True, b"data": 1, b"dtype": "<M8[D]"}, "must be a number or bool"),
    ],
)
def test_refusals_say_why(entry, message):
    with pytest.raises(msgpack_numpy.DecodeError, match=message):
        msgpack_numpy.unpackb(msgpack.packb({"x": entry}))


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        ([[[0]]], {"max_depth": 2}),
        ([0] * 10, {"max_items": 10}),
        ([np.zeros(1)] * 3, {"max_arrays": 2}),
    ],
)
def test_limits(value, limits):
    data = msgpack_numpy.packb(value)
    msgpack_numpy.unpackb(data)
    with pytest.raises(msgpack_numpy.DecodeError, match=r"deeper|more than"):
        msgpack_numpy.unpackb(data, limits=msgpack_numpy.Limits(**limits))
