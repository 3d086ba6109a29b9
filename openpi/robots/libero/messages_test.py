import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from openpi.robots.libero import messages

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_arrays = st.sampled_from(["uint8", "float32", "float64"]).flatmap(
    lambda dtype: np_st.arrays(dtype, np_st.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text(max_size=5), _json, max_size=3),
            st.dictionaries(st.text(max_size=5), _arrays, max_size=3),
        ),
        max_size=3,
    )
)
def test_messages_come_back(sent):
    stream = io.BytesIO()
    for fields, arrays in sent:
        messages.write(stream, fields, arrays)
    stream.seek(0)
    for fields, arrays in sent:
        found, read = messages.read(stream)
        assert found == fields
        assert read.keys() == arrays.keys()
        for name, array in arrays.items():
            assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(read[name], array)
    with pytest.raises(EOFError):
        messages.read(stream)


def _message(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(struct.pack("<I", len(text)) + text + content)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (io.BytesIO(struct.pack("<I", 1 << 31)), "a header of 2147483648 bytes"),
        (_message(b"\xff"), "no message"),
        (_message(b"[" * 50_000), "no message"),
        (_message([]), "no message"),
        (_message({"fields": {}}), "arrays"),
        (_message({"fields": 1, "arrays": []}), "fields are no object"),
        (_message({"fields": {}, "arrays": [["a", "object", [1]]]}), "dtype 'object'"),
        (_message({"fields": {}, "arrays": [["a", "uint8", [1, 1, 1, 1, 1]]]}), "shape"),
        (_message({"fields": {}, "arrays": [["a", "uint8", [-1]]]}), r"shape \[-1\]"),
        (_message({"fields": {}, "arrays": [["a", "uint8", [True]]]}), r"shape \[True\]"),
        (_message({"fields": {}, "arrays": [["a", "float64", [1 << 25]]]}), "too large"),
        (_message({"fields": {}, "arrays": [["a", "uint8", [1 << 25]]] * 3}), "too large"),
        (_message({"fields": {}, "arrays": [["a"]]}), "no message"),
    ],
)
def test_what_is_no_message_is_refused_before_memory_is_taken(stream, message):
    with pytest.raises(ValueError, match=message):
        messages.read(stream)


@pytest.mark.parametrize("cut", [2, 30, -1])
def test_a_message_that_ends_early(cut):
    stream = io.BytesIO()
    messages.write(stream, {"a": 1}, {"b": np.zeros(3)})
    with pytest.raises(EOFError):
        messages.read(io.BytesIO(stream.getvalue()[:cut]))


@pytest.mark.parametrize("array", [np.zeros(2, np.int64), np.zeros((1,) * 5), np.array(["a"])])
def test_arrays_that_cannot_be_sent(array):
    with pytest.raises(ValueError, match="only uint8, float32, float64 can be sent"):
        messages.write(io.BytesIO(), {}, {"a": array})
