"""Walks over the headers of a MessagePack message before anything is built from it.

A header of five bytes can announce four billion items, and a parser that believes it reserves the memory for them; nested, a
small message reserves any amount. After this walk every announced item is known to be there.

Format: github.com/msgpack/msgpack/blob/master/spec.md.
"""

# Tag → bytes of payload, for the values of one size.
_PAYLOAD = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8}
_PAYLOAD |= {0xCC + i: 1 << i for i in range(4)}  # uint 8 … 64
_PAYLOAD |= {0xD0 + i: 1 << i for i in range(4)}  # int 8 … 64
# Tag → bytes of the length that follows.
_BLOB = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # bin, str
_ARRAY = {0xDC: 2, 0xDD: 4}
_MAP = {0xDE: 2, 0xDF: 4}


def check(data: bytes, *, max_depth: int, max_items: int) -> None:
    """Checks that `data` is the whole of one message and announces nothing that it does not hold.

    Args:
      data: the message.
      max_depth: how deep arrays and maps may nest.
      max_items: how many values there may be, those in arrays and maps included.

    Raises:
      ValueError: it is not such a message, or holds extension types, which are not part of the dialect.
    """
    size = len(data)
    position, items, announced = 0, 0, 1
    pending = [1]  # values yet to come, at each depth
    while pending:
        if pending[-1] == 0:
            pending.pop()
            continue
        pending[-1] -= 1
        announced -= 1
        items += 1
        if items > max_items:
            raise ValueError(f"more than {max_items} values")
        if position >= size:
            raise ValueError(f"the message ends too early, at byte {position}")
        payload, children, position = _read_header(data, position)
        position += payload
        announced += children
        # Every value takes a byte at least.
        if position + announced > size:
            raise ValueError(f"{announced} more values and {payload} bytes announced, but the message has {size} bytes")
        if children:
            if len(pending) > max_depth:
                raise ValueError(f"nested deeper than {max_depth}")
            pending.append(children)
    if position != size:
        raise ValueError(f"{size - position} bytes too many after the message")


def _read_header(data: bytes, position: int) -> tuple[int, int, int]:
    """Returns payload bytes, number of children and the position after the header of the value at `position`."""
    tag = data[position]
    position += 1
    if tag <= 0x7F or tag >= 0xE0:  # small integers
        return 0, 0, position
    if tag <= 0x8F:
        return 0, 2 * (tag & 0x0F), position
    if tag <= 0x9F:
        return 0, tag & 0x0F, position
    if tag <= 0xBF:
        return tag & 0x1F, 0, position
    if tag in _PAYLOAD:
        return _PAYLOAD[tag], 0, position
    width = _BLOB.get(tag) or _ARRAY.get(tag) or _MAP.get(tag)
    if width is None:
        raise ValueError(f"type byte 0x{tag:02x} is not used in this dialect")
    count = int.from_bytes(data[position : position + width], "big")
    position += width
    if tag in _BLOB:
        return count, 0, position
    return 0, count if tag in _ARRAY else 2 * count, position
