"""What a stored tree says about itself: every array's path, shape, dtype and chunks, read without its numbers.

Orbax keeps an array, named by its keys joined with ".", as zarr 2 or 3 in an OCDBT store or in a folder of its own.
"""

import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import tensorstore as ts

from openpi.checkpoints import layout

T = TypeVar("T")

# What TensorStore, JSON and walking a tree raise on garbage.
DAMAGE = (ValueError, LookupError, OSError, TypeError, AttributeError, RuntimeError, ArithmeticError)

_OCDBT_MANIFEST = "manifest.ocdbt"
_INDEX_CACHE_BYTES = 64 << 20
# Where the store lies, which the error says anyway; the spec, and places in TensorStore's own source.
_TENSORSTORE_ADDS = re.compile(
    r' in OCDBT database at local file "[^"]*"|\s*\[(tensorstore_spec|source locations)=.*', re.DOTALL
)
_STORED_AS_ARRAY = ("jax.Array", "np.ndarray", "scalar")

# Weights hardly compress. Metadata that claims this many times what the files hold would only make us allocate.
_PLAUSIBLE_RATIO = 1000
_ALWAYS_PLAUSIBLE_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array on disk, open for reading.

    Attributes:
      path: its keys joined with "/".
      shape, dtype: as stored.
      chunks: the shape of the blocks in which it is stored; each is read as a whole.
      store: reads it.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: tuple[int, ...]
    store: ts.TensorStore = dataclasses.field(repr=False, compare=False)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


def open_arrays(tree_dir: str | pathlib.Path) -> dict[str, StoredArray]:
    """Opens every array of a stored tree, by its path.

    Raises:
      ValueError: the description is unreadable, or claims sizes that the files cannot hold.
    """
    tree_dir = pathlib.Path(tree_dir)
    keys, description = _describe(tree_dir)
    try:
        context = ts.Context(
            {"cache_pool": {"total_bytes_limit": 0}, "cache_pool#ocdbt": {"total_bytes_limit": _INDEX_CACHE_BYTES}}
        )
        futures = {
            "/".join(path): ts.open(_spec(tree_dir, path, description), context=context, open=True, read=True)
            for path in keys
        }
        found = {path: _array(path, future.result()) for path, future in futures.items()}
        _check_plausible(tree_dir, found)
    except DAMAGE as error:
        raise damaged(tree_dir, error) from error
    return found


def naming(tree_dir: str | pathlib.Path, reading: Iterator[T]) -> Iterator[T]:
    """Passes on what is read from a tree; what goes wrong with the reading becomes `damaged`."""
    try:
        yield from reading
    except DAMAGE as error:
        raise damaged(tree_dir, error) from error


def damaged(tree_dir: str | pathlib.Path, reason: BaseException | str) -> ValueError:
    """The error for a checkpoint that cannot be read, in one line."""
    text = _TENSORSTORE_ADDS.sub("", str(reason)).replace(f"{pathlib.Path(tree_dir).absolute()}/", "")
    lines = text.strip().splitlines()
    said = (lines[0] if lines else type(reason).__name__)[:300]
    return ValueError(f"damaged checkpoint {tree_dir}: {said}; copy or train it again")


def _describe(tree_dir: pathlib.Path) -> tuple[list[list[str]], dict[str, Any]]:
    """The keys of every array, and the whole description of the tree."""
    try:
        description = json.loads((tree_dir / layout.TREE_MARKER).read_bytes())
        keys = [
            [str(key["key"]) for key in leaf["key_metadata"]]
            for leaf in description["tree_metadata"].values()
            if leaf["value_metadata"]["value_type"] in _STORED_AS_ARRAY
        ]
    except DAMAGE as error:
        reason = f"its {layout.TREE_MARKER} does not describe a tree ({type(error).__name__}: {error})"
        raise damaged(tree_dir, reason) from error
    return keys, description


def _spec(tree_dir: pathlib.Path, keys: list[str], description: dict[str, Any]) -> dict[str, Any]:
    name = ".".join(keys)
    if "/" in name or not name:
        raise ValueError(f"its tree has an array named {name!r}")
    root = tree_dir.absolute()
    if (tree_dir / _OCDBT_MANIFEST).exists():
        kvstore = {
            "driver": "ocdbt",
            "base": {"driver": "file", "path": f"{root}/"},
            "path": f"{name}/",
            "cache_pool": "cache_pool#ocdbt",
        }
    else:
        kvstore = {"driver": "file", "path": f"{root}/{name}/"}
    return {
        "driver": "zarr3" if description.get("use_zarr3") else "zarr",
        "kvstore": kvstore,
        # A block that isn't there is a lost one, unless blocks of zeros were left out when the tree was saved.
        "fill_missing_data_reads": not description.get("store_array_data_equal_to_fill_value"),
    }


def _array(path: str, store: ts.TensorStore) -> StoredArray:
    return StoredArray(
        path=path,
        shape=tuple(store.shape),
        dtype=np.dtype(store.dtype.numpy_dtype),
        chunks=tuple(store.chunk_layout.read_chunk.shape or store.shape),
        store=store,
    )


def _check_plausible(tree_dir: pathlib.Path, found: dict[str, StoredArray]) -> None:
    if not found:
        return
    largest = max(found.values(), key=lambda array: array.nbytes)
    chunk = max(math.prod(array.chunks) * array.dtype.itemsize for array in found.values())
    claimed = max(chunk, sum(array.nbytes for array in found.values()))
    held = sum(file.stat().st_size for file in tree_dir.rglob("*") if file.is_file())
    if claimed > max(_ALWAYS_PLAUSIBLE_BYTES, _PLAUSIBLE_RATIO * held):
        raise ValueError(
            f"it claims {claimed:,} bytes (the largest array is {largest.path} {list(largest.shape)}) but its files hold {held:,}"
        )
