"""One record as an episode: number tables, where its images lie, and its texts, all checked against each other."""

import dataclasses
import math

import numpy as np

from openpi.data.rlds import example_scan, tfds_info

STEPS = "steps/"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which features are read. All but `metadata` are of each step: their names stand below `steps/`."""

    tables: tuple[tuple[str, int], ...]  # (name, width): floats
    images: tuple[str, ...]
    texts: tuple[str, ...]
    metadata: tuple[str, ...]  # whole paths of texts, one an episode

    @property
    def width(self) -> int:
        """Columns of all tables side by side."""
        return sum(width for _, width in self.tables)

    def columns(self, name: str) -> slice:
        """Where table `name` stands among them."""
        start = 0
        for table, width in self.tables:
            if table == name:
                return slice(start, start + width)
            start += width
        raise KeyError(name)

    def check(self, info: tfds_info.Info) -> None:
        """Raises ValueError if the dataset's features are not these."""
        kinds = {STEPS + name: "tensor" for name, _ in self.tables}
        kinds |= {STEPS + name: "image" for name in self.images} | {STEPS + name: "text" for name in self.texts}
        for path, kind in (kinds | dict.fromkeys(self.metadata, "text")).items():
            found = info.features.get(path)
            if found is None:
                raise ValueError(f"dataset {info.folder} has no feature {path!r}; it has {', '.join(info.features)}")
            if found.kind != kind or found.encoding != "none":
                raise ValueError(
                    f"dataset {info.folder}: feature {path!r} is a {found.kind} with encoding {found.encoding!r}, and "
                    f"a plain {kind} is expected"
                )
        for name in self.images:
            shape = info.features[STEPS + name].shape
            if len(shape) != 3 or shape[2] not in (-1, 3):
                raise ValueError(
                    f"dataset {info.folder}: feature {STEPS + name!r} has shape {list(shape)}, expected [H, W, 3]"
                )
        for name, width in self.tables:
            shape = info.features[STEPS + name].shape
            if math.prod(shape) != width:
                raise ValueError(
                    f"dataset {info.folder}: feature {STEPS + name!r} has shape {list(shape)}, expected [{width}]"
                )


@dataclasses.dataclass(frozen=True)
class Episode:
    """`T` steps, `W` columns, `C` cameras, `K` texts."""

    tables: np.ndarray  # float32 [T, W]
    image_start: np.ndarray  # int64 [T, C], bytes from the record's beginning
    image_size: np.ndarray  # int64 [T, C], bytes
    texts: list[list[str]]  # [K][T]
    metadata: list[str]

    def __len__(self) -> int:
        return len(self.tables)


def parse(data: bytes, layout: Layout) -> Episode:
    """The episode in a record.

    Raises:
      ValueError: a feature is missing, is of another type, or their numbers of steps disagree.
    """
    names = [STEPS + name for name in (*(table for table, _ in layout.tables), *layout.images, *layout.texts)]
    found = example_scan.scan(data, {*names, *layout.metadata})
    for name in (*names, *layout.metadata):
        if name not in found:
            raise ValueError(f"feature {name!r} is missing")
    spans = {name: _spans(name, found[name]) for name in names[len(layout.tables) :]}
    tables = {STEPS + name: _table(STEPS + name, found[STEPS + name], width) for name, width in layout.tables}
    counts = {name: len(span.start) for name, span in spans.items()} | {
        key: len(table) for key, table in tables.items()
    }
    if len(set(counts.values())) > 1:
        short, long = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        raise ValueError(f"feature {short!r} has {counts[short]} steps and {long!r} has {counts[long]}")
    length = next(iter(counts.values()))
    return Episode(
        tables=np.concatenate(list(tables.values()), axis=1),
        image_start=_stack([spans[STEPS + name].start for name in layout.images], length),
        image_size=_stack([spans[STEPS + name].size for name in layout.images], length),
        texts=[_texts(data, STEPS + name, spans[STEPS + name]) for name in layout.texts],
        metadata=[_one(_texts(data, name, _spans(name, found[name])), name) for name in layout.metadata],
    )


def _table(name: str, values: example_scan.BytesList | np.ndarray, width: int) -> np.ndarray:
    if not isinstance(values, np.ndarray):
        raise ValueError(f"feature {name!r} holds bytes, where floats are wanted")
    if len(values) % width:
        raise ValueError(f"feature {name!r} has {len(values)} numbers, no multiple of {width}")
    return values.reshape(-1, width)


def _spans(name: str, values: example_scan.BytesList | np.ndarray) -> example_scan.BytesList:
    if isinstance(values, np.ndarray):
        raise ValueError(f"feature {name!r} holds floats, where bytes are wanted")
    return values


def _stack(columns: list[np.ndarray], length: int) -> np.ndarray:
    return np.stack(columns, axis=1) if columns else np.zeros((length, 0), np.int64)


def _texts(data: bytes, name: str, spans: example_scan.BytesList) -> list[str]:
    """Equal texts, which most steps have, are decoded once."""
    decoded: dict[bytes, str] = {}
    texts = []
    for start, size in zip(spans.start.tolist(), spans.size.tolist()):
        raw = data[start : start + size]
        try:
            texts.append(decoded.get(raw) or decoded.setdefault(raw, raw.decode("utf-8")))
        except UnicodeDecodeError:
            raise ValueError(f"feature {name!r} holds {raw[:40]!r}, no UTF-8 text") from None
    return texts


def _one(texts: list[str], name: str) -> str:
    if len(texts) != 1:
        raise ValueError(f"feature {name!r} has {len(texts)} values, expected one")
    return texts[0]
