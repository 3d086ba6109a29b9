import json
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.tokenizers import fsq_codebook

_GOLDEN = json.loads((pathlib.Path(__file__).parent / "testdata" / "fsq_codebook_bins.json").read_text())
_codebooks = st.sampled_from([tuple(case["bins_per_dim"]) for case in _GOLDEN.values()])


@pytest.mark.parametrize("name", _GOLDEN)
def test_golden(name):
    kind, size = name.split("_")
    bins = fsq_codebook.bins_per_dim(int(size), kind)
    assert list(bins) == _GOLDEN[name]["bins_per_dim"]
    assert list(fsq_codebook.place_values(bins)) == _GOLDEN[name]["place_values"]
    assert np.prod(bins) == _GOLDEN[name]["vocab_size"]


@given(_codebooks, st.data())
def test_a_token_comes_back(bins, data):
    tokens = np.array(data.draw(st.lists(st.integers(0, int(np.prod(bins)) - 1), min_size=1, max_size=8)), np.int32)
    z = fsq_codebook.decode(tokens, bins)
    assert z.dtype == np.float32 and z.shape == (len(tokens), len(bins)) and np.abs(z).max() <= 1
    np.testing.assert_array_equal(fsq_codebook.encode(z, bins), tokens, strict=True)


@given(_codebooks, st.data())
def test_a_number_comes_back_within_half_a_bin(bins, data):
    z = np.array(data.draw(st.lists(st.floats(-1, 1, width=32), min_size=len(bins), max_size=len(bins))), np.float32)
    error = np.abs(fsq_codebook.decode(fsq_codebook.encode(z, bins), bins) - z)
    assert (error <= 1 / (np.array(bins) - 1) + 1e-6).all()


def test_the_first_dimension_is_the_lowest_digit():
    assert fsq_codebook.encode(np.array([1.0, -1.0]), (16, 16)) == 15
    assert fsq_codebook.encode(np.array([-1.0, 1.0]), (16, 16)) == 240


def test_tokens_beyond_the_codebook_wrap_around():
    tokens = np.array([-1, 256])
    np.testing.assert_array_equal(fsq_codebook.decode(tokens, (16, 16)), [[1, 1], [-1, -1]])


def test_an_unknown_size_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no custom codebook of 512 tokens, only of 256, 1024, 4096, 16384, 65536"):
        fsq_codebook.bins_per_dim(512)
