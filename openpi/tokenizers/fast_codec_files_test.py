import json
import os

import numpy as np
import pytest

from openpi.tokenizers import fast_codec_files, fast_codec_fit

CHUNKS = np.random.default_rng(0).uniform(-1, 1, (40, 6, 3)).astype(np.float32)
CODEC = fast_codec_fit.fit(CHUNKS, scale=12.5, vocab_size=300, action_dim=3)
PROCESSOR, BPE = "processor_config.json", "tokenizer.json"


@pytest.fixture
def folder(tmp_path):
    fast_codec_files.save(CODEC, tmp_path / "codecs" / "mine")
    return tmp_path / "codecs" / "mine"


def change(file, path, value):
    """Sets a field, named as a path."""
    fields = json.loads(file.read_text())
    node = fields
    *parents, last = path
    for parent in parents:
        node = node[parent]
    node[last] = value
    file.write_text(json.dumps(fields))


def test_a_codec_comes_back_as_it_was(folder):
    codec = fast_codec_files.load(folder)
    names = ("scale", "min_token", "vocab_size", "time_horizon", "action_dim")
    assert [getattr(codec, name) for name in names] == [getattr(CODEC, name) for name in names]
    ids = CODEC.encode(CHUNKS)
    assert codec.encode(CHUNKS) == ids
    np.testing.assert_array_equal(codec.decode(ids, time_horizon=6), CODEC.decode(ids, time_horizon=6), strict=True)
    again = folder.with_name("again")
    fast_codec_files.save(codec, again)
    for file in folder.iterdir():
        assert (again / file.name).read_text() == file.read_text()


def test_the_files_are_the_published_ones(folder):
    files = {file.name: json.loads(file.read_text()) for file in folder.iterdir()}
    assert sorted(files) == [PROCESSOR, "special_tokens_map.json", BPE, "tokenizer_config.json"]
    assert files[PROCESSOR]["processor_class"] == "UniversalActionProcessor"
    assert files[PROCESSOR]["time_horizon"] is None and files[PROCESSOR]["action_dim"] == 3
    assert files["tokenizer_config.json"]["clean_up_tokenization_spaces"] is False
    assert files[BPE]["pre_tokenizer"] == {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    assert files[BPE]["added_tokens"] == []
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]  # nothing half-written beside it


def test_fields_that_are_not_known_are_passed_over(folder):
    change(folder / PROCESSOR, ("auto_map",), {"AutoProcessor": "some.Class"})
    change(folder / PROCESSOR, ("scale",), 10)
    assert fast_codec_files.load(folder).scale == 10


def test_the_bpe_may_lie_in_a_folder_of_its_own(folder):
    (folder / "bpe_tokenizer").mkdir()
    (folder / BPE).rename(folder / "bpe_tokenizer" / BPE)
    assert fast_codec_files.load(folder).encode(CHUNKS) == CODEC.encode(CHUNKS)
    change(folder / PROCESSOR, ("vocab_size",), 299)
    with pytest.raises(ValueError, match="bpe_tokenizer/tokenizer.json has the token id 299"):
        fast_codec_files.load(folder)


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        *((PROCESSOR, ("scale",), value) for value in (None, "10", 0, -1, float("nan"), float("inf"), True, [10])),
        *((PROCESSOR, ("min_token",), value) for value in (None, 1.5, -(2**40))),
        *((PROCESSOR, ("vocab_size",), value) for value in (None, 0, "2048", 2**40)),
        *((PROCESSOR, (name,), value) for name in ("time_horizon", "action_dim") for value in (0, 1.0, 10**9)),
        (BPE, ("model", "type"), "WordPiece"),
        *((BPE, ("model", name), "x") for name in ("continuing_subword_prefix", "end_of_word_suffix")),
        (BPE, ("model", "dropout"), 0.5),  # tokens would differ from call to call
        (BPE, ("pre_tokenizer",), None),
        (BPE, ("pre_tokenizer", "add_prefix_space"), True),
        (BPE, ("decoder", "type"), "Metaspace"),
        (BPE, ("normalizer",), {"type": "NFC"}),
    ],
)
def test_a_wrong_field_is_named_with_its_file(folder, file, path, value):
    change(folder / file, path, value)
    with pytest.raises(ValueError) as caught:
        fast_codec_files.load(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / file}: field '{path[0]}") and "\n" not in message and len(message) < 400


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000], ids=repr)
@pytest.mark.parametrize("file", [PROCESSOR, BPE])
def test_a_file_that_is_not_json_is_named(folder, file, content):
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"{file} "):
        fast_codec_files.load(folder)


@pytest.mark.parametrize("path", [("model", "vocab"), ("model", "merges")])
def test_a_bpe_that_cannot_be_used_is_named(folder, path):
    change(folder / BPE, path, [["no", "such"]])
    with pytest.raises(ValueError, match="tokenizer.json is not a BPE that can be used"):
        fast_codec_files.load(folder)


def test_more_tokens_than_the_configuration_says_are_named(folder):
    change(folder / PROCESSOR, ("vocab_size",), 299)
    with pytest.raises(ValueError, match="has the token id 299, and 'vocab_size' of .* is 299"):
        fast_codec_files.load(folder)


def test_a_missing_file_or_one_too_large_is_named(folder):
    os.truncate(folder / BPE, 1 << 40)  # a hole: no space is taken
    with pytest.raises(ValueError, match="tokenizer.json has 1099511627776 bytes"):
        fast_codec_files.load(folder)
    (folder / BPE).unlink()
    for missing in (folder, folder / "nowhere"):
        with pytest.raises(FileNotFoundError, match="FAST codec not found: .*train_fast"):
            fast_codec_files.load(missing)


def test_only_a_codec_is_overwritten_and_only_on_demand(folder):
    other = fast_codec_fit.fit(CHUNKS, vocab_size=280)
    with pytest.raises(FileExistsError, match="there already"):
        fast_codec_files.save(other, folder)
    assert fast_codec_files.load(folder).vocab_size == 300
    fast_codec_files.save(other, folder, overwrite=True)
    assert fast_codec_files.load(folder).vocab_size == 280
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    with pytest.raises(FileExistsError, match="no FAST codec"):
        fast_codec_files.save(other, folder.parent, overwrite=True)
    assert fast_codec_files.load(folder).vocab_size == 280
