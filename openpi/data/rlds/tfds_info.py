"""What a TFDS folder says of itself: its files, how many records each has, and the features of a record.

```
<data_dir>/<name>/<version>/dataset_info.json                      splits and the records of each file
<data_dir>/<name>/<version>/features.json                          names, shapes and types
<data_dir>/<name>/<version>/<any name>-train.tfrecord-00000-of-00008
```
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

_MAX_JSON_BYTES = 64 << 20
_MAX_FILES = 1_000_000
SPLIT = "train"


@dataclasses.dataclass(frozen=True)
class Feature:
    """One leaf of a record."""

    kind: str  # "image", "text" or "tensor"
    shape: tuple[int, ...] = ()  # of one step; -1 where it varies
    dtype: str = ""
    encoding: str = "none"  # of tensors


@dataclasses.dataclass(frozen=True)
class Info:
    """A dataset: one record is one episode."""

    folder: pathlib.Path
    files: tuple[pathlib.Path, ...]  # in order
    num_records: tuple[int, ...]  # by file
    features: Mapping[str, Feature]  # by path, e.g. steps/observation/joint_position

    @property
    def name(self) -> str:
        """As TFDS names it: folder and version."""
        return f"{self.folder.parent.name}/{self.folder.name}"


def load(folder: pathlib.Path) -> Info:
    """Reads the folder's metadata and looks whether all files are there.

    Raises:
      FileNotFoundError: there is no dataset, or one of its files is missing.
      ValueError: the metadata make no sense.
    """
    if not (folder / "dataset_info.json").is_file():
        raise FileNotFoundError(
            f"no TFDS dataset in {folder}: it has no dataset_info.json; give the folder above <name>/<version>"
        )
    described = _read_json(folder / "dataset_info.json")
    splits = {split.get("name"): split for split in _list(described, "splits", folder) if isinstance(split, dict)}
    if SPLIT not in splits:
        raise ValueError(
            f"{folder / 'dataset_info.json'}: there is no split {SPLIT!r}, only {sorted(map(str, splits))}"
        )
    num_records = [_count(length, folder) for length in _list(splits[SPLIT], "shardLengths", folder)]
    try:
        features = dict(_leaves(_read_json(folder / "features.json"), "", folder / "features.json"))
    except RecursionError:
        raise ValueError(f"{folder / 'features.json'} is nested too deeply: fetch it again") from None
    return Info(folder, tuple(_files(folder, len(num_records))), tuple(num_records), features)


def _files(folder: pathlib.Path, count: int) -> Iterator[pathlib.Path]:
    """The prefix of files' names is that of the dataset that was built, not always that of its folder."""
    pattern = re.compile(rf"(.+)-{SPLIT}\.tfrecord-(\d{{5,7}})-of-(\d{{5,7}})")
    matches = [match for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    names = {match[1] for match in matches}
    found = {int(match[2]): folder / match[0] for match in matches if int(match[3]) == count}
    if not matches or len(names) > 1:
        raise FileNotFoundError(f"{folder}: {len(names)} names before -{SPLIT}.tfrecord-*, where one is expected")
    for number in range(count):
        if number not in found:
            raise FileNotFoundError(
                f"{folder}: {min(names)}-{SPLIT}.tfrecord-{number:05d}-of-{count:05d} is missing: fetch it"
            )
        yield found[number]


def _leaves(node: Any, path: str, file: pathlib.Path) -> Iterator[tuple[str, Feature]]:
    if not isinstance(node, dict):
        raise ValueError(f"{file}: {path or 'the whole'} is no description of a feature: fetch that file again")
    if "featuresDict" in node:
        children = node["featuresDict"].get("features") if isinstance(node["featuresDict"], dict) else None
        if not isinstance(children, dict):
            raise ValueError(f"{file}: featuresDict of {path!r} has no features: fetch that file again")
        for name, child in children.items():
            yield from _leaves(child, f"{path}/{name}" if path else name, file)
    elif "sequence" in node:
        inner = node["sequence"].get("feature") if isinstance(node["sequence"], dict) else None
        yield from _leaves(inner, path, file)
    elif "text" in node:
        yield path, Feature("text")
    elif isinstance(node.get("tensor"), dict) and node["tensor"].get("dtype") == "string":
        yield path, Feature("text", _shape(node["tensor"], path, file))
    else:
        for kind in ("image", "tensor"):
            if isinstance(leaf := node.get(kind), dict):
                encoding = str(leaf.get("encoding") or "none")
                yield path, Feature(kind, _shape(leaf, path, file), str(leaf.get("dtype")), encoding)


def _shape(leaf: dict[str, Any], path: str, file: pathlib.Path) -> tuple[int, ...]:
    shape = leaf.get("shape") or {}
    dimensions = shape.get("dimensions", []) if isinstance(shape, dict) else None
    try:
        sizes = tuple(int(size) for size in dimensions)
    except (TypeError, ValueError):
        sizes = (-2,)
    if len(sizes) > 8 or not all(-1 <= size <= 1 << 24 for size in sizes):
        raise ValueError(f"{file}: the shape of {path!r} is {str(shape)[:80]}: fetch that file again")
    return sizes


def _read_json(path: pathlib.Path) -> Any:
    size = path.stat().st_size
    if size > _MAX_JSON_BYTES:
        raise ValueError(f"{path} has {size} bytes, more than the {_MAX_JSON_BYTES} that such a file may have")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): fetch it again") from None


def _list(node: Any, key: str, folder: pathlib.Path) -> list[Any]:
    value = node.get(key) if isinstance(node, dict) else None
    if not isinstance(value, list) or len(value) > _MAX_FILES:
        raise ValueError(f"{folder / 'dataset_info.json'}: {key} is {str(value)[:80]}, no list: fetch that file again")
    return value


def _count(value: Any, folder: pathlib.Path) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise ValueError(f"{folder / 'dataset_info.json'}: shardLengths has {text[:40]!r}, no count of records")
    return int(text)
