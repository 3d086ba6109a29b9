import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from openpi.server import plain_json


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (np.bool_(True), "True"),
        (3, 3),
        (np.int8(-3), -3),
        (2**60, str(2**60)),  # JavaScript would round it
        (np.float32(0.1), 0.1),
        (float("nan"), None),
        (np.float64("inf"), None),
        ("reach", "reach"),
        ("x" * 501, "x" * 500 + "..."),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (np.arange(3, dtype=np.int16), [0, 1, 2]),
        (np.array([1.0, np.nan], np.float32), [1.0, None]),
        (np.array("reach"), "reach"),
        (np.array(2.5), 2.5),
        (np.zeros((3, 224, 224), np.uint8), "uint8[3, 224, 224]"),
        (np.zeros(65, np.float32), "float32[65]"),
        (np.array([None], object), "object[1]"),
        ({b"a": {1: (2, [3])}}, {"a": {"1": [2, [3]]}}),
        (list(range(66)), [*range(64), "..."]),
        ({i: i for i in range(66)}, {str(i): i for i in range(64)} | {"...": 2}),
        (object, "<class 'object'>"),
    ],
)
def test_values(value, shown):
    assert plain_json.plain(value) == shown
    json.dumps(plain_json.plain(value), allow_nan=False)


def test_depth_ends():
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert json.dumps(plain_json.plain(deep)) == "[" * 6 + '"..."' + "]" * 6


@hypothesis.given(
    strategies.recursive(
        strategies.one_of(
            strategies.none(), strategies.integers(), strategies.floats(), strategies.text(), strategies.binary()
        ),
        lambda inner: strategies.one_of(strategies.lists(inner), strategies.dictionaries(strategies.text(), inner)),
    )
)
def test_whatever_a_client_sends_is_json(value):
    json.dumps(plain_json.plain(value), allow_nan=False).encode()


def test_a_chunk_becomes_a_curve_a_dim():
    chunk = np.array([[1, 2], [3, np.nan], [5, 6]], np.float32)
    assert plain_json.curves(chunk) == [[1.0, 3.0, 5.0], [2.0, None, 6.0]]
    assert np.shape(plain_json.curves(np.zeros((1000, 1000)))) == (32, 128)
    for other in (None, np.zeros(3), np.zeros((2, 2), bool), np.array([["a"]]), [[1.0]]):
        assert plain_json.curves(other) == []
