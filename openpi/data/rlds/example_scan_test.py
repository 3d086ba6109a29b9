"""The scan agrees with the protobuf runtime, which writes the records."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.data.rlds import example_proto, example_scan

_FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=40).map(lambda x: np.array(x, np.float32))
_FEATURES = st.dictionaries(st.text(max_size=8), st.lists(st.binary(max_size=200), max_size=5) | _FLOATS, max_size=5)


@given(features=_FEATURES)
def test_values_are_those_that_were_written(features):
    data = example_proto.serialize(features)
    found = example_scan.scan(data, features.keys())
    assert found.keys() == features.keys()
    for key, values in features.items():
        if isinstance(values, np.ndarray):
            assert found[key].dtype == np.float32
            np.testing.assert_array_equal(found[key], values)
        else:
            spans = zip(found[key].start, found[key].size)
            assert [data[start : start + size] for start, size in spans] == values


def test_only_what_is_wanted_is_looked_at():
    data = example_proto.serialize({"a": [b"x"], "b": np.arange(3), "c": np.zeros(2)})
    assert example_scan.scan(data, {"a", "d"}).keys() == {"a"}
    with pytest.raises(ValueError, match="feature 'b' holds integers, where bytes or floats are wanted"):
        example_scan.scan(data, {"b"})


def test_floats_that_are_not_packed():
    def field(number, content):
        return bytes([number << 3 | 2, len(content)]) + content

    floats = b"".join(bytes([1 << 3 | 5]) + np.float32(x).tobytes() for x in (1.5, -2.0))
    entry = field(1, b"a") + field(2, field(2, floats))
    data = field(1, field(1, entry))
    assert example_proto.Example.FromString(data).features.feature["a"].float_list.value == [1.5, -2.0]
    np.testing.assert_array_equal(example_scan.scan(data, {"a"})["a"], [1.5, -2.0])


def test_fields_that_a_later_format_may_add_are_passed_over():
    data = example_proto.serialize({"a": [b"x"]})
    later = b"\x50\x96\x01" + b"\x59" + bytes(8) + b"\x65" + bytes(4) + b"\x6a\x02hi"  # fields 10 to 13
    assert example_scan.scan(later + data + later, {"a"})["a"].size.tolist() == [1]


@given(
    position=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.integers(0, 10_000), which=st.sampled_from("bc")
)
def test_damage_is_a_value_error_or_goes_unnoticed(position, byte, cut, which):
    data = bytearray(example_proto.serialize({"a": [b"xy" * 70, b"z"], "b": np.arange(20.0)}))
    if which == "b":
        data[position % len(data)] = byte
    else:
        del data[cut % len(data) :]
    try:
        found = example_scan.scan(bytes(data), {"a", "b"})
    except ValueError as error:
        assert "\n" not in str(error)
        return
    for values in found.values():
        if not isinstance(values, np.ndarray):
            assert np.all(values.start + values.size <= len(data))


def test_an_integer_without_end_is_not_read_to_the_end():
    with pytest.raises(ValueError, match="no tf.train.Example: an integer at byte 10 has no end"):
        example_scan.scan(b"\xff" * (1 << 16) + b"\x01", {"a"})
