import json
import os
import pathlib
import pickle

import pytest

from openpi.tokenizers import sentencepiece_model

_FACTS = json.loads((pathlib.Path(__file__).parent / "testdata" / "sentencepiece_facts.json").read_text())


def test_golden():
    processor = sentencepiece_model.load("small", 2000)
    assert (processor.pad_id(), processor.eos_id(), processor.bos_id(), processor.unk_id()) == (0, 1, 2, 3)
    assert len(_FACTS["encodings"]) > 10
    for case in _FACTS["encodings"]:
        assert processor.encode(case["text"]) == case["ids"], case["text"]
        assert processor.encode(case["text"], add_bos=True, add_eos=True) == case["ids_bos_eos"], case["text"]
        assert processor.decode(case["ids_bos_eos"]) == case["decoded"], case["text"]


def test_a_model_can_be_sent_to_a_worker():
    processor = sentencepiece_model.load("small", 2000)
    assert pickle.loads(pickle.dumps(processor)).encode("reach") == processor.encode("reach")


def test_the_number_of_pieces_is_checked():
    with pytest.raises(ValueError, match=r"small.model has 2000 pieces, config.tokenizer.vocab_size is 257152"):
        sentencepiece_model.load("small", 257152)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 100])
def test_a_file_that_is_no_model_is_named(content, tmp_path):
    file = tmp_path / "wrong.model"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"wrong\.model"):
        sentencepiece_model.load(file, 2000)


def test_a_file_too_large_is_not_read(tmp_path):
    file = tmp_path / "large.model"
    file.touch()
    os.truncate(file, 1 << 40)  # a hole: no space is taken
    with pytest.raises(ValueError, match=r"large\.model has 1099511627776 bytes"):
        sentencepiece_model.load(file, 2000)
