"""Ways to damage a recorded dataset, for tests: each is a function of the dataset's folder."""

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openpi.data.lerobot import recording

Damage = Callable[[pathlib.Path], Any]

# v3.0: files of all episodes; v2.1: those of episode 1.
DATA, VIDEO = "data/chunk-000/file-000.parquet", f"videos/{recording.CAMERA}/chunk-000/file-000.mp4"
DATA_1, VIDEO_1 = "data/chunk-000/episode_000001.parquet", f"videos/chunk-000/{recording.CAMERA}/episode_000001.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"


def column(file: str, name: str, values: Sequence[Any], kind: pa.DataType | None = None) -> Damage:
    """A column has other values, perhaps of another Arrow type."""

    def damage(root: pathlib.Path) -> None:
        table = pq.read_table(root / file)
        place = table.column_names.index(name)
        array = pa.array(values, kind or table.schema.field(name).type)
        pq.write_table(table.set_column(place, name, array), root / file)

    return damage


def renamed(file: str, old: str, new: str) -> Damage:
    """A column has another name."""

    def damage(root: pathlib.Path) -> None:
        table = pq.read_table(root / file)
        pq.write_table(table.rename_columns([new if name == old else name for name in table.column_names]), root / file)

    return damage


def rows(file: str, start: int) -> Damage:
    """The rows before `start` are missing."""
    return lambda root: pq.write_table(pq.read_table(root / file).slice(start), root / file)


def replaced(file: str, content: bytes) -> Damage:
    """The file holds something else."""
    return lambda root: (root / file).write_bytes(content)


def cut(file: str, fraction: float) -> Damage:
    """The file ends early."""

    def damage(root: pathlib.Path) -> None:
        content = (root / file).read_bytes()
        (root / file).write_bytes(content[: int(len(content) * fraction)])

    return damage


def replaced_in(file: str, place: int, content: bytes) -> Damage:
    """From byte `place` on the file holds something else."""

    def damage(root: pathlib.Path) -> None:
        whole = (root / file).read_bytes()
        (root / file).write_bytes(whole[:place] + content + whole[place + len(content) :])

    return damage


def all_of(*damages: Damage) -> Damage:
    """Several of them."""
    return lambda root: [damage(root) for damage in damages]


def removed(file: str) -> Damage:
    """The file is missing."""
    return lambda root: (root / file).unlink()


def info(**fields: Any) -> Damage:
    """info.json says something else."""

    def damage(root: pathlib.Path) -> None:
        path = root / "meta/info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return damage
