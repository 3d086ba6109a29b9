"""The instructions of raw DROID recordings, from the release's file of annotations."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

FILE = "aggregated-annotations-030724.json"
FALLBACK = "Do something"  # what the published converter says where there is none

_MAX_BYTES = 1 << 30


def load(path: pathlib.Path) -> Mapping[str, Any]:
    """The annotations by the recording's id, as they stand in the file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no JSON object.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: put DROID's {FILE} there, or give --annotations=FILE; --noinstructions converts without "
            "instructions"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"{path} is larger than {_MAX_BYTES >> 30} GiB, so not DROID's annotations")
    try:
        annotations = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: no valid JSON ({error}): fetch it again") from error
    if not isinstance(annotations, dict):
        raise ValueError(f"{path}: the top level is no JSON object: fetch it again")
    return annotations


def recording_id(folder: pathlib.Path) -> str:
    """The id of the recording in a folder, which the name of its `metadata_ID.json` says; empty if there is none."""
    for path in sorted(folder.glob("metadata_*.json")):
        return path.stem.removeprefix("metadata_")
    return ""


def instruction(annotations: Mapping[str, Any], identity: str) -> str:
    """The first instruction of a recording, or FALLBACK."""
    entry = annotations.get(identity)
    text = entry.get("language_instruction1") if isinstance(entry, dict) else None
    return text.strip() or FALLBACK if isinstance(text, str) else FALLBACK
