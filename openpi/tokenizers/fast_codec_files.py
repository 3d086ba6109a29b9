"""The folder of a FAST action codec, in the form of the published processor.

`processor_config.json` has scale, min_token, vocab_size, time_horizon and action_dim; `tokenizer.json` the BPE;
`tokenizer_config.json` and `special_tokens_map.json` what the published loader wants to know besides. The processor's Python
file is neither run nor written: the configuration names the published one.
"""

import json
import math
import os
import pathlib
import tempfile
from typing import Any

import tokenizers

from openpi.tokenizers import fast_codec

_MAX_BYTES = 64 << 20
_MAX_CODE_POINT = 0x10FFFF
_PROCESSOR, _BPE = "processor_config.json", "tokenizer.json"
_PUBLISHED = "physical-intelligence/fast--processing_action_tokenizer.UniversalActionProcessor"


def load(directory: str | os.PathLike) -> fast_codec.FastCodec:
    """Reads a codec, also in the form of transformers 5, which keeps the BPE in the folder `bpe_tokenizer`.

    Raises:
      FileNotFoundError: the folder or one of its two files is missing.
      ValueError: a file is not what it should be; the text names it and the field.
    """
    folder = pathlib.Path(directory).expanduser()
    path = folder / _PROCESSOR
    fields = _json(path)
    scale, min_token, vocab_size = (fields.get(name) for name in ("scale", "min_token", "vocab_size"))
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool)
    _require(is_number and 0 < scale < math.inf, path, "scale", scale, "a number above 0")
    _require(_is_integer(min_token, -_MAX_CODE_POINT, _MAX_CODE_POINT), path, "min_token", min_token, "an integer")
    _require(_is_integer(vocab_size, 1, 1 << 24), path, "vocab_size", vocab_size, "an integer above 0")
    shape = {name: fields.get(name) for name in ("time_horizon", "action_dim")}
    for name, value in shape.items():
        _require(value is None or _is_integer(value, 1, 1 << 16), path, name, value, "null or an integer above 0")
    below = folder / "bpe_tokenizer" / _BPE
    bpe_path = below if below.is_file() else folder / _BPE
    bpe = _bpe(bpe_path)
    largest = max(bpe.get_vocab().values(), default=-1)
    if largest >= vocab_size:
        raise ValueError(f"{bpe_path} has the token id {largest}, and 'vocab_size' of {path} is {vocab_size}")
    return fast_codec.FastCodec(bpe, scale=scale, min_token=min_token, vocab_size=vocab_size, **shape)


def save(codec: fast_codec.FastCodec, directory: str | os.PathLike, *, overwrite: bool = False) -> None:
    """Writes a codec, whole or not at all.

    Args:
      codec: what to write.
      directory: the folder to make.
      overwrite: whether a codec that is there is replaced.

    Raises:
      FileExistsError: see `check_free`.
    """
    check_free(directory, overwrite=overwrite)
    folder = pathlib.Path(directory).expanduser().absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        new, old = pathlib.Path(scratch) / "new", pathlib.Path(scratch) / "old"
        new.mkdir()
        for name, text in contents(codec).items():
            (new / name).write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise


def check_free(directory: str | os.PathLike, *, overwrite: bool) -> None:
    """Raises FileExistsError if `save` may not write there: a codec is there and `overwrite` is off, or something else is."""
    folder = pathlib.Path(directory).expanduser().absolute()
    if folder.exists() and not (folder / _PROCESSOR).is_file():
        raise FileExistsError(f"{folder} is there, no FAST codec, and is not overwritten: give another folder")
    if folder.exists() and not overwrite:
        raise FileExistsError(f"{folder} is there already: remove it, give another folder, or overwrite it")


def contents(codec: fast_codec.FastCodec) -> dict[str, str]:
    """The files of a codec: name → text."""
    processor = {
        "processor_class": "UniversalActionProcessor",
        "auto_map": {"AutoProcessor": _PUBLISHED},
        "scale": codec.scale,
        "min_token": codec.min_token,
        "vocab_size": codec.vocab_size,
        "time_horizon": codec.time_horizon,
        "action_dim": codec.action_dim,
    }
    bpe = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "UniversalActionProcessor",
        "auto_map": {"AutoProcessor": _PUBLISHED},
        "added_tokens_decoder": {},
        "clean_up_tokenization_spaces": False,
    }
    return {
        _PROCESSOR: json.dumps(processor, indent=2) + "\n",
        _BPE: codec.bpe.to_str(pretty=True),
        "tokenizer_config.json": json.dumps(bpe, indent=2) + "\n",
        "special_tokens_map.json": "{}\n",
    }


def _bpe(path: pathlib.Path) -> tokenizers.Tokenizer:
    fields = _json(path)
    for name, expected in (("model", "BPE"), ("pre_tokenizer", "ByteLevel"), ("decoder", "ByteLevel")):
        part = fields.get(name)
        kind = part.get("type") if isinstance(part, dict) else None
        _require(kind == expected, path, f"{name}.type", kind, f"{expected!r}")
    _require(fields.get("normalizer") is None, path, "normalizer", fields.get("normalizer"), "null")
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "dropout"):
        value = fields["model"].get(name)
        _require(not value, path, f"model.{name}", value, "null")
    spaces = fields["pre_tokenizer"].get("add_prefix_space")
    _require(spaces is False, path, "pre_tokenizer.add_prefix_space", spaces, "false")
    try:
        bpe = tokenizers.Tokenizer.from_str(json.dumps(fields))
    except Exception as error:  # noqa: BLE001 - the package raises nothing more special
        raise ValueError(f"{path} is not a BPE that can be used: {error}") from None
    bpe.no_truncation()
    bpe.no_padding()
    return bpe


def _json(path: pathlib.Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"FAST codec not found: no file {path}; give the folder of one: download the published, or train one with"
            " //openpi/tokenizers:train_fast"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, more than any FAST codec")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(f"{path} must hold an object, and holds {str(fields)[:40]!r}")
    return fields


def _is_integer(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _require(condition: bool, path: pathlib.Path, name: str, value: Any, expected: str) -> None:
    if not condition:
        raise ValueError(f"{path}: field {name!r} must be {expected}, and is {str(value)[:40]!r}")
