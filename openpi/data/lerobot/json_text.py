"""JSON files of a dataset's metadata, of bounded size: what is no JSON object is one line naming file and place."""

import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

AGAIN = "fetch or record the dataset again"  # how to mend a damaged dataset
_MAX_OBJECT_BYTES = 64 << 20
_MAX_LINE_BYTES = 4 << 20


def load(path: pathlib.Path) -> dict[str, Any]:
    """Reads a file that holds one JSON object. Raises ValueError naming the file."""
    if path.stat().st_size > _MAX_OBJECT_BYTES:
        raise ValueError(f"{path}: larger than {_MAX_OBJECT_BYTES >> 20} MiB, so no metadata of LeRobot")
    return _parse(path.read_bytes(), str(path))


def lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Reads a file that holds a JSON object a line, one at a time; blank lines are skipped.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a line is no JSON object, or longer than any metadata; the text names file and line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: the dataset is incomplete, {AGAIN}")
    with path.open("rb") as file:
        number = 0
        while line := file.readline(_MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > _MAX_LINE_BYTES:
                raise ValueError(f"{path}, line {number}: longer than {_MAX_LINE_BYTES >> 20} MiB: {AGAIN}")
            if line.strip():
                yield _parse(line, f"{path}, line {number}")


def write(path: pathlib.Path, value: Any) -> None:
    """Writes a file that `load` reads."""
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False), encoding="utf-8")


def write_lines(path: pathlib.Path, values: Iterable[Any]) -> None:
    """Writes a file that `lines` reads."""
    with path.open("w", encoding="utf-8") as file:
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")


def whole_number(row: dict[str, Any], key: str, where: str, *, limit: int = 1 << 40) -> int:
    """`row[key]` as a number from 0 to below `limit`. Raises ValueError naming `where` and the key."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        raise ValueError(f"{where}: {key} is {str(value)[:40]!r}, and must be a whole number below {limit}: {AGAIN}")
    return value


def _parse(content: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{where}: not valid JSON ({error}): {AGAIN}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{where}: the top level is no JSON object")
    return value
