import json
import pathlib

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from openpi.client import image_codec, msgpack_dialects, msgpack_numpy

_PACKAGE = pathlib.Path(__file__).parent / "testdata" / "msgpack_numpy_package.json"
_ND = msgpack_dialects.Dialect("msgpack-numpy")
_ND_TEXT = msgpack_dialects.Dialect("msgpack-numpy", text_keys=True)
_RAW = msgpack_dialects.Dialect("raw", text_keys=True)
_RAW_NAMED = msgpack_dialects.Dialect("raw", text_keys=True, named_dtypes=True)
_RAW_BYTES = msgpack_dialects.Dialect("raw")
_DIALECTS = [msgpack_dialects.OPENPI, _ND, _ND_TEXT, _RAW, _RAW_NAMED, _RAW_BYTES]


def _observation():
    return {
        "state": np.array([0.5, -1.0], np.float32),
        "images": {"cam": np.arange(6, dtype=np.uint8).reshape(1, 2, 3)},
        "gripper": np.float32(0.25),
        "on": np.bool_(True),
        "empty": np.zeros((0, 3)),
        "zero": np.array(7, np.int64),
        "text": np.array(["a", "bc"]),
        "double": np.float64(2.5),
        "prompt": "go",
    }


def _assert_same(actual, expected):
    assert list(actual) == list(expected)
    for key, value in expected.items():
        if isinstance(value, dict):
            _assert_same(actual[key], value)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(actual[key], value, strict=True)
            assert not actual[key].flags.writeable
        else:
            assert actual[key] == value


def test_messages_of_the_msgpack_numpy_package_are_read_and_written_byte_for_byte():
    data = bytes.fromhex(json.loads(_PACKAGE.read_text())["hex"])
    value, dialect = msgpack_dialects.unpackb(data)
    assert dialect == _ND
    _assert_same(value, _observation())
    assert type(value["gripper"]) is np.float32
    assert msgpack_dialects.packb(_observation(), _ND) == data


@pytest.mark.parametrize("dialect", _DIALECTS, ids=str)
def test_each_dialect_is_told_apart_and_answered_in_kind(dialect):
    data = msgpack_dialects.packb(_observation(), dialect)
    value, found = msgpack_dialects.unpackb(data)
    assert found == dialect
    _assert_same(value, _observation())
    assert msgpack_dialects.packb(value, found) == data


@pytest.mark.parametrize("dialect", _DIALECTS, ids=str)
@settings(deadline=None, max_examples=20)
@given(
    array=hnp.arrays(
        hnp.boolean_dtypes()
        | hnp.integer_dtypes(endianness="?")
        | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        hnp.array_shapes(min_dims=0, min_side=0),
    )
)
def test_round_trip(dialect, array):
    (back,), _ = msgpack_dialects.unpackb(msgpack_dialects.packb([array], dialect))
    np.testing.assert_array_equal(back, array, strict=True)


@pytest.mark.parametrize("name", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_names_of_dtypes_are_numpy_s(name):
    entry = {"data": bytes(8), "dtype": name, "shape": [8 // np.dtype(name).itemsize]}
    value, dialect = msgpack_dialects.unpackb(msgpack.packb({"x": entry}))
    assert value["x"].dtype == np.dtype(name)
    assert dialect == _RAW_NAMED
    assert msgpack.unpackb(msgpack_dialects.packb(value, dialect)) == {"x": entry}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"reset_pose": [0, 1.5]},
        {"x": {"data": "text", "dtype": "<f4", "shape": [1]}},
        {"x": {"data": b"1234", "dtype": "<f4", "shape": [1], "more": 1}},
        {"x": {"data": b"1234", b"dtype": "<f4", "shape": [1]}},
        {"nd": True, "data": b"1234"},
        {"complex": True, "data": "1j"},
        {b"\xff": 1, "x": {b"\xff": b"data"}},
    ],
)
def test_other_maps_stay_maps(value):
    assert msgpack_dialects.unpackb(msgpack.packb(value)) == (value, msgpack_dialects.OPENPI)


def _nd(**changes):
    return {"nd": True, "type": "<f4", "kind": b"", "shape": [2], "data": bytes(8)} | changes


def _raw(**changes):
    return {"data": bytes(8), "dtype": "<f4", "shape": [2]} | changes


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (_nd(shape=[3]), "cannot have 8 bytes"),
        (_nd(shape=[-2]), "whole numbers from 0 up"),
        (_nd(shape=[2**62, 2**62]), "cannot have 8 bytes"),
        (_nd(type="|O"), "unsupported dtype"),
        (_nd(type=[["a", "<f4"]]), "unsupported dtype"),
        (_nd(kind=b"O"), "unsupported arrays of objects"),
        (_nd(kind=b"V"), "unsupported arrays of objects"),
        (_nd(nd=False), "cannot have 8 bytes"),
        (_nd(data="12345678"), "must be bytes"),
        (_raw(shape=[3]), "cannot have 8 bytes"),
        (_raw(shape=None), "whole numbers"),
        (_raw(dtype="float128"), "unsupported dtype 'float128'"),
        (_raw(dtype="object"), "unsupported dtype 'object'"),
        (_raw(dtype=4), "unsupported dtype"),
        ({"a": _nd(), "b": _raw()}, "two dialects"),
        ({"a": _raw(), "b": {key.encode(): value for key, value in _raw().items()}}, "two dialects"),
    ],
)
def test_refusals_say_why(value, message):
    with pytest.raises(msgpack_numpy.DecodeError, match=message):
        msgpack_dialects.unpackb(msgpack.packb(value))


def test_limits_hold_in_every_dialect():
    for dialect in _DIALECTS:
        data = msgpack_dialects.packb([np.zeros(1)] * 3, dialect)
        with pytest.raises(msgpack_numpy.DecodeError, match="more than 2 arrays"):
            msgpack_dialects.unpackb(data, limits=msgpack_numpy.Limits(max_arrays=2))


def test_images_of_a_message_share_one_limit():
    images = image_codec.compress([np.zeros((8, 8, 3), np.uint8)] * 3, "png")
    data = msgpack_numpy.packb(images)
    value, dialect = msgpack_dialects.unpackb(data)
    assert dialect == msgpack_dialects.OPENPI
    np.testing.assert_array_equal(value, np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(msgpack_numpy.DecodeError, match="too large"):
        msgpack_dialects.unpackb(data, limits=msgpack_numpy.Limits(max_image_bytes=3 * 8 * 8 * 3 - 1))


@pytest.mark.parametrize("dialect", _DIALECTS, ids=str)
@pytest.mark.parametrize(
    ("value", "error"),
    [(np.zeros(2, np.complex64), ValueError), (np.array([None]), ValueError), ({1}, TypeError)],
)
def test_what_cannot_be_sent(dialect, value, error):
    with pytest.raises(error, match="cannot be sent|can not serialize"):
        msgpack_dialects.packb({"x": value}, dialect)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([b"data", "data", "dtype", "shape", "nd", "type", "kind", b"nd", b"type"]),
        st.none()
        | st.booleans()
        | st.binary(max_size=8)
        | st.sampled_from(["<f4", "|O", "bool", ""])
        | st.lists(st.integers(-1, 3), max_size=3),
    )
)
def test_malformed_maps_raise_nothing_else(entry):
    try:
        msgpack_dialects.unpackb(msgpack.packb([entry]))
    except msgpack_numpy.DecodeError as error:
        assert "\n" not in str(error)
