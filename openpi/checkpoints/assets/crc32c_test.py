import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpi.checkpoints.assets import crc32c


# RFC 3720, appendix B.4, and the usual check value.
@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_known_values(data, crc):
    assert crc32c.extend(0, data) == crc


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_is_the_same_in_pieces(total, cut):
    """Sizes on both sides of where the lanes begin to be used."""
    data = random.Random(total).randbytes(total)
    assert crc32c.extend(crc32c.extend(0, data[:cut]), data[cut:]) == crc32c.extend(0, data)
    assert crc32c.extend(0, data) == _byte_by_byte(data)


def _byte_by_byte(data):
    register = 0xFFFFFFFF
    for byte in data:
        register = crc32c.extend(register ^ 0xFFFFFFFF, bytes([byte])) ^ 0xFFFFFFFF
    return register ^ 0xFFFFFFFF
