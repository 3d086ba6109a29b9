"""CRC-32C (Castagnoli) of large data with numpy: what Google Cloud Storage keeps for objects composed of parts.

The register without its inversions is linear over GF(2): many stretches of the data are worked on side by side, a byte of
each at a time, and the results of neighbours are then joined in pairs.
"""

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected
_LANES = 1 << 14  # stretches side by side; a power of two


def extend(crc: int, data: bytes) -> int:
    """The CRC of what had `crc`, followed by `data`. Begin with 0."""
    register = crc ^ 0xFFFFFFFF
    length = len(data) // _LANES  # bytes of a lane
    if length:
        lanes = np.frombuffer(data, np.uint8, _LANES * length).reshape(_LANES, length).T.astype(np.uint32)
        registers: np.ndarray = np.zeros(_LANES, np.uint32)
        for column in lanes:
            registers = _TABLE[(registers ^ column) & 0xFF] ^ (registers >> 8)
        while len(registers) > 1:
            registers = _after_zeros(length, registers[0::2]) ^ registers[1::2]
            length *= 2
        register = int(_after_zeros(length, np.array([register], np.uint32))[0] ^ registers[0])
    for byte in data[length:]:
        register = int(_TABLE[(register ^ byte) & 0xFF]) ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def _make_table() -> np.ndarray:
    """Each value of a byte -> the register eight steps later."""
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return table


_TABLE = _make_table()


def _after_zeros(count: int, registers: np.ndarray) -> np.ndarray:
    """What the registers are after `count` zero bytes more."""
    return _apply(_zeros_matrix(count), registers)


@functools.cache
def _zeros_matrix(count: int) -> np.ndarray:
    """Each of the 32 bits alone -> the register after `count` zero bytes. The lengths that occur are few."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if count == 0:
        return bits
    if count % 2:
        matrix = _zeros_matrix(count - 1)
        return _TABLE[matrix & 0xFF] ^ (matrix >> 8)
    half = _zeros_matrix(count // 2)
    return _apply(half, half)


def _apply(matrix: np.ndarray, registers: np.ndarray) -> np.ndarray:
    result = np.zeros_like(registers)
    for bit in range(32):
        result ^= matrix[bit] * ((registers >> np.uint32(bit)) & np.uint32(1))
    return result
