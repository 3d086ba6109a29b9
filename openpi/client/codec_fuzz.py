"""Throws damaged messages at the codec: `tools/bazel run //openpi/client:codec_fuzz -- CASES SEED` prints what came of them."""

from __future__ import annotations

import collections
import json
import pathlib
import random
import re
import sys
import time
from collections.abc import Iterator

import msgpack
import numpy as np

from openpi.client import image_codec, msgpack_dialects, msgpack_numpy

_LIMITS = msgpack_numpy.Limits(max_depth=16, max_items=2_000, max_arrays=50, max_image_bytes=2**20)
_SLOW_SECONDS = 0.5
_PICTURES = [image_codec.compress(np.zeros((8, 8, 3), np.uint8), name) for name in image_codec.FORMATS]
# Headers that announce much, odd numbers, and words of the dialects.
_TOKENS = [
    bytes.fromhex(text) for text in ("ddffffffff", "dfffffffff", "c6ffffffff", "dbffffffff", "dcffff", "8f", "9f", "c1")
]
_TOKENS += [
    bytes.fromhex(text)
    for text in ("cf7fffffffffffffff", "cfffffffffffffffff", "d3ffffffffffffffff", "ff", "d600000000")
]
_TOKENS += [
    b"\xc4\x05shape",
    b"\xc4\x04data",
    b"\xc4\x05dtype",
    b"\xc4\x0b__ndarray__",
    b"\xa2nd",
    b"\xa4type",
    b"\xa2|O",
]
_TOKENS += [
    b"\xa3<c8",
    b"\xa5<U999",
    b"\xa4jpeg",
    b"\xa3png",
    b"\xc4\x10__openpi_image__",
    b"\xc0",
    b"\xc3",
    b"\xcb" + b"\x7f" * 8,
]


def seeds() -> list[bytes]:
    """Whole messages of every dialect to begin with."""
    picture = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    value = {"state": np.arange(3.0), "cam": picture, "on": np.bool_(True), "prompt": "go", "t": np.array(["a", "bc"])}
    value["when"] = np.array(["2026-01-01"], "M8[D]")
    dialects = [
        msgpack_dialects.OPENPI,
        msgpack_dialects.Dialect("msgpack-numpy"),
        msgpack_dialects.Dialect("raw", True, True),
    ]
    messages = [msgpack_dialects.packb(value, dialect) for dialect in dialects]
    return messages + [msgpack_numpy.packb(image_codec.compress(value, name)) for name in image_codec.FORMATS]


def mutate(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """One to four damages: bytes changed, cut, doubled, swapped for a token or for a piece of another message."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0 and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at]
        elif kind == 2:
            data = data[:at] + data[at + rng.randint(1, 8) :]
        elif kind == 3:
            token = rng.choice(_TOKENS)
            data = data[:at] + token + data[at + rng.choice((0, len(token))) :]
        elif kind == 4:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            data = data[:at] + other[start : start + rng.randint(1, 64)] + data[at:]
        else:
            data = data[:at] + data[max(0, at - rng.randint(1, 32)) :]
    return data


def malformed(rng: random.Random) -> bytes:
    """A whole message of an array or image of some dialect whose entries are of any kind."""
    picture = rng.choice(_PICTURES)[b"data"]
    pool = [
        None,
        True,
        False,
        0,
        -1,
        8,
        2**63,
        2**64 - 1,
        1.5,
        float("nan"),
        "",
        "<f4",
        "|O",
        "<U2",
        "|b1",
        "float32",
        "png",
        "jpeg",
    ]
    pool += [
        "<M8[D]",
        "|V4",
        "<c8",
        "f4,f4",
        "hwc",
        "chw",
        b"",
        bytes(8),
        b"\xff" * 8,
        picture,
        picture[: len(picture) // 2],
    ]
    pool += [
        [],
        [2],
        [8],
        [0, 2**40],
        [2**32, 2**32],
        [-1, -8],
        [1] * 40,
        [2.0],
        [True],
        {},
        {"nd": True},
        {b"data": b"x"},
    ]
    kinds = (
        (b"__ndarray__", b"data", b"dtype", b"shape"),
        (b"__npgeneric__", b"data", b"dtype"),
        (image_codec.KEY, b"axes", b"data"),
        (b"nd", b"type", b"kind", b"shape", b"data"),
        (b"data", b"dtype", b"shape"),
    )
    kind = rng.choice(kinds)
    keys: list[bytes | str] = [*kind] if rng.random() < 0.7 else [key.decode() for key in kind]
    if rng.random() < 0.2:
        keys[rng.randrange(len(keys))] = rng.choice((b"data", "data", b"more"))
    return msgpack.packb([{key: rng.choice(pool) for key in keys} for _ in range(rng.randint(1, 2))])


def judge(data: bytes) -> str:
    """What the codec makes of a message: "accepted", or why it is refused with numbers and quotations left out.

    Raises:
      AssertionError: it raised something else, was slow, or gave more than the limits allow.
    """
    start = time.perf_counter()
    try:
        value, _ = msgpack_dialects.unpackb(data, limits=_LIMITS)
    except msgpack_numpy.DecodeError as error:
        text = str(error)
        assert "\n" not in text, data.hex()
        return re.sub(r"'[^']*'|0x\w+|\d+|\[.*?\]|[<>|]\w+", "…", text)[:90]
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}: {data.hex()}") from error
    finally:
        assert time.perf_counter() - start < _SLOW_SECONDS, f"slow: {data.hex()}"
    held = sum(array.nbytes for array in _arrays(value))
    assert held <= len(data) + _LIMITS.max_image_bytes, data.hex()
    return "accepted"


def run(cases: int, seed: int) -> tuple[collections.Counter, dict[str, bytes]]:
    """Judges so many damaged messages; counts verdicts, and keeps the shortest message of each."""
    rng, whole = random.Random(seed), seeds()
    counts: collections.Counter = collections.Counter()
    shortest: dict[str, bytes] = {}
    for _ in range(cases):
        data = malformed(rng) if rng.random() < 0.5 else mutate(rng.choice(whole), rng, whole)
        verdict = judge(data)
        counts[verdict] += 1
        if verdict not in shortest or len(data) < len(shortest[verdict]):
            shortest[verdict] = data
    return counts, shortest


def _arrays(value: object) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _arrays(item)
    elif isinstance(value, list):
        for item in value:
            yield from _arrays(item)


def main() -> None:
    cases, seed = int(sys.argv[1]), int(sys.argv[2])
    start = time.perf_counter()
    counts, shortest = run(cases, seed)
    print(f"{cases} cases in {time.perf_counter() - start:.0f} s, none raised anything but DecodeError")
    for verdict, count in counts.most_common():
        print(f"{count:10}  {verdict}")
    if len(sys.argv) > 3:
        messages = [{"verdict": verdict, "hex": data.hex()} for verdict, data in sorted(shortest.items())]
        pathlib.Path(sys.argv[3]).write_text(
            json.dumps(messages, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
