import logging
import pickle

import numpy as np
import pytest

from openpi.tokenizers import fixed_length


@pytest.mark.parametrize(("n", "expected"), [(0, [0, 0, 0]), (2, [1, 2, 0]), (3, [1, 2, 3]), (4, [1, 2, 3])])
def test_pads_or_cuts_on_the_right(n, expected):
    ids = np.arange(1, n + 1)
    tokens, mask = fixed_length.FixedLength(3).fit((ids, np.ones(n, bool)), prompt="x")
    np.testing.assert_array_equal(tokens, np.array(expected, ids.dtype), strict=True)
    np.testing.assert_array_equal(mask, np.arange(3) < n, strict=True)


def test_warns_once_with_the_length_and_the_limit(caplog):
    fit = fixed_length.FixedLength(8)
    with caplog.at_level(logging.WARNING):
        fit.fit((np.zeros(8, int),), prompt="fits")
        assert not caplog.records
        fit.fit((np.zeros(9, int),), prompt="x" * 10_000)
        fit.fit((np.zeros(20, int),), prompt="another")
    (record,) = caplog.records
    message = record.getMessage()
    assert "has 9 tokens, more than max_token_len=8" in message and len(message) < 500 and "\n" not in message


def test_every_owner_warns_for_itself_in_workers_too(caplog):
    fit = pickle.loads(pickle.dumps(fixed_length.FixedLength(1)))
    with caplog.at_level(logging.WARNING):
        for each in (fit, fixed_length.FixedLength(1)):
            each.fit((np.zeros(2, int),), prompt="")
    assert len(caplog.records) == 2
