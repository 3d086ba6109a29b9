"""The path templates of info.json, e.g. `videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4`.

They come from outside and reach `str.format`: plain known fields only, and no way out of the dataset's folder.
"""

import re
import string
from collections.abc import Sequence
from typing import Any

_NUMBER = re.compile(r"(0?\d{1,2}d)?")
_TEXT = re.compile("")


def check(name: str, template: Any, fields: Sequence[str]) -> None:
    """Raises ValueError naming info.json's field `name` unless `template` is a path with no fields but `fields`."""
    try:
        if not isinstance(template, str):
            raise ValueError("must be text")
        for _, field, spec, conversion in string.Formatter().parse(template):
            allowed = _TEXT if field == "video_key" else _NUMBER
            if field is not None and (field not in fields or conversion or not allowed.fullmatch(spec or "")):
                raise ValueError(f"only {', '.join(f'{{{key}}}' for key in fields)} may stand in it")
        fill(template, **{field: "key" if field == "video_key" else 0 for field in fields})
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{name} is {template!r}: {error}") from error


def fill(template: str, **values: str | int) -> str:
    """The path, relative to the dataset's root. Raises ValueError if it leads out of it."""
    path = template.format(**values)
    if path.startswith("/") or ".." in path.split("/") or "\0" in path or path.strip("./") == "":
        raise ValueError(f"path {path!r} leads out of the dataset's folder")
    return path
