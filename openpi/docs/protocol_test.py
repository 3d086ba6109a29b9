"""protocol.md says what the code does: its vectors, options, codes and limits."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from openpi.client import image_codec, msgpack_dialects, msgpack_numpy
from openpi.policies import request_options
from openpi.server import failure, websocket_server

_PAGE = (pathlib.Path(__file__).parent / "protocol.md").read_text(encoding="utf-8")
_VECTORS = {
    name: bytes.fromhex("".join(text.split()))
    for name, text in re.findall(r"`([\w-]+)`\n\n```hex\n(.*?)```", _PAGE, re.S)
}
_OPENPI = msgpack_dialects.OPENPI
_ND = msgpack_dialects.Dialect("msgpack-numpy")
_RAW = msgpack_dialects.Dialect("raw", text_keys=True, named_dtypes=True)
_STATE = np.array([0.5, -1.0], np.float32)
_RED = np.array([[[255, 0, 0]]], np.uint8)

# Name -> what the vector holds, and its dialect.
_VALUES = {
    "metadata-empty": ({}, _OPENPI),
    "metadata-aloha": ({"reset_pose": [0, -1.5, 1.5, 0, 0, 0]}, _OPENPI),
    "metadata-offer": ({"openpi": {"image_formats": ["jpeg", "png"]}}, _OPENPI),
    "array-uint8": (np.array([0, 1, 2], np.uint8), _OPENPI),
    "array-float64-empty": (np.zeros((0, 3)), _OPENPI),
    "array-zero-axes": (np.array(7, np.int64), _OPENPI),
    "scalar-float32": (np.float32(0.25), _OPENPI),
    "observation": ({"state": _STATE, "images": {"cam": _RED}, "prompt": "go"}, _OPENPI),
    "observation-options": ({"state": _STATE, "openpi": {"num_steps": 5, "deadline_ms": 200}}, _OPENPI),
    "observation-rtc": (
        {"openpi": {"rtc": {"remainder": np.array([[0.5], [0.25]]), "delay": 1, "horizon": 2}}},
        _OPENPI,
    ),
    "reply": ({"actions": np.array([[0.5], [0.25]]), "server_timing": {"infer_ms": 12.5}}, _OPENPI),
    "nd-array": ({"state": _STATE}, _ND),
    "nd-scalar": (np.float32(0.25), _ND),
    "raw-array": ({"state": _STATE}, _RAW),
}


def test_every_vector_is_known_here():
    assert set(_VECTORS) == {*_VALUES, "image-png"}


def _assert_same(actual, expected):
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key, value in expected.items():
            _assert_same(actual[key], value)
    else:
        np.testing.assert_array_equal(actual, expected, strict=isinstance(expected, np.ndarray))


@pytest.mark.parametrize("name", _VALUES)
def test_vectors(name):
    value, dialect = _VALUES[name]
    assert msgpack_dialects.packb(value, dialect) == _VECTORS[name]
    back, found = msgpack_dialects.unpackb(_VECTORS[name])
    _assert_same(back, value)
    assert found == dialect


def test_the_vector_of_an_image():
    back, _ = msgpack_dialects.unpackb(_VECTORS["image-png"])
    np.testing.assert_array_equal(back["cam"], _RED, strict=True)


def _first_column(heading):
    section = _PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.M)


def test_tables_are_those_of_the_code():
    assert _first_column("Options of a request") == [
        field.name for field in dataclasses.fields(request_options.RequestOptions)
    ]
    codes = {
        failure.code_of(error)
        for error in (
            msgpack_numpy.DecodeError(),
            ValueError(),
            failure.too_late(1.0),
            failure.queue_full(),
            failure.rate_limited(1.0),
            RuntimeError(),
        )
    }
    assert set(_first_column("Errors")) == codes
    assert f"closes with code {failure.CLOSE_CODE}" in _PAGE


@pytest.mark.parametrize(
    "text",
    [
        f"{msgpack_numpy.DEFAULT_LIMITS.max_depth} levels",
        f"{msgpack_numpy.DEFAULT_LIMITS.max_items:,} values",
        f"{msgpack_numpy.DEFAULT_LIMITS.max_arrays:,} arrays",
        f"{msgpack_numpy.DEFAULT_LIMITS.max_image_bytes // 2**20} MiB of images",
        f"{websocket_server.Options().max_message_bytes // 2**20} MiB a message",
        f"{websocket_server.Options().max_sessions:,} clients",
        image_codec.KEY.decode(),
    ],
)
def test_limits_are_those_of_the_code(text):
    assert text in " ".join(_PAGE.split())
