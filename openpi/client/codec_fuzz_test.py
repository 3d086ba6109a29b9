import json
import pathlib
import random

import numpy as np
import pytest

from openpi.client import codec_fuzz, msgpack_dialects

# The shortest message of each verdict among 1.5 million (see README.md).
_CORPUS = json.loads((pathlib.Path(__file__).parent / "testdata" / "hostile_messages.json").read_text(encoding="utf-8"))


def test_the_corpus_gets_its_verdicts():
    assert len(_CORPUS) > 50
    for entry in _CORPUS:
        verdict = codec_fuzz.judge(bytes.fromhex(entry["hex"]))
        # What msgpack and Pillow say may change with their versions, but not that they refuse.
        assert (verdict == "accepted") == (entry["verdict"] == "accepted"), entry


def test_some_thousand_damaged_messages():
    counts, shortest = codec_fuzz.run(5_000, seed=0)
    assert counts["accepted"] > 100  # not all of it is refused at the door
    assert len(shortest) > 30


def test_the_messages_to_begin_with_are_whole():
    assert [codec_fuzz.judge(data) for data in codec_fuzz.seeds()] == ["accepted"] * 5


def test_damages_are_many():
    whole = codec_fuzz.seeds()
    rng = random.Random(0)
    damaged = {codec_fuzz.mutate(whole[0], rng, whole) for _ in range(200)}
    assert len(damaged - {whole[0]}) > 190


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (MemoryError("no"), "MemoryError: no"),
        (UnicodeError("no"), "UnicodeError: no"),
        (np.zeros(2**20 + 100, np.uint8), "90"),
    ],
)
def test_what_is_not_right_is_told(monkeypatch, result, message):
    def broken(data, **_):
        if isinstance(result, Exception):
            raise result
        return [{"x": result}], msgpack_dialects.OPENPI

    monkeypatch.setattr(msgpack_dialects, "unpackb", broken)
    with pytest.raises(AssertionError, match=message):
        codec_fuzz.judge(b"\x90")
