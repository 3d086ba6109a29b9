"""Reads columns of a parquet file into numpy arrays; what cannot be read is one line naming the file."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openpi.data.lerobot import json_text

_MANY_ROWS = 20_000  # fewer are read more quickly without threads

T = TypeVar("T")


def read(path: str | pathlib.Path, reader: Callable[[pq.ParquetFile], T], where: str = "") -> T:
    """Opens a parquet file and reads from it; failures name the file (and `where`, what it holds)."""
    try:
        with pq.ParquetFile(str(path), pre_buffer=False) as file:
            return reader(file)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{_what(path, where)} is missing: the dataset is incomplete, {json_text.AGAIN}"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{_what(path, where)} is no readable parquet file ({' '.join(str(error).split())}): {json_text.AGAIN}"
        ) from error


def columns(
    path: str | pathlib.Path,
    names: Sequence[str],
    where: str = "",
    *,
    num_frames: int | None = None,
    others: Sequence[str] = (),
) -> pa.Table:
    """The columns `names` of a file, in that order.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it lacks one of them or of the `others`, or has not `num_frames` rows: nothing is read of it then.
    """

    def select(file: pq.ParquetFile) -> pa.Table:
        if num_frames is not None and file.metadata.num_rows != num_frames:
            raise ValueError(
                f"{_what(path, where)}: has {file.metadata.num_rows} frames, and the metadata says {num_frames}: "
                f"{json_text.AGAIN}"
            )
        found = file.schema_arrow.names
        missing = [name for name in (*names, *others) if name not in found]
        if missing:
            raise ValueError(
                f"{_what(path, where)}: has no column {missing[0]!r}, which the dataset's metadata names; it has "
                f"{', '.join(found)}"
            )
        return file.read(columns=list(names), use_threads=file.metadata.num_rows > _MANY_ROWS).select(names)

    return read(path, select, where)


def values(column: pa.ChunkedArray, shape: Sequence[int] = ()) -> np.ndarray:
    """A column's numbers [N, *shape], or its texts, whose lists (of any depth) must have the lengths of `shape`.

    Raises:
      ValueError: values are missing, or a list has another length.
    """
    array: Any = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # an empty column stays chunked
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    num_rows, lengths = len(array), []
    while True:
        if array.null_count:
            raise ValueError(f"has {array.null_count} empty values")
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif pa.types.is_fixed_size_list(array.type):
            lengths.append(array.type.list_size)
            array = array.flatten()
        elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            ends = pc.min_max(pc.list_value_length(array)).as_py() if len(array) else {"min": 0, "max": 0}
            if ends["min"] != ends["max"]:
                raise ValueError(f"has lists of {ends['min']} to {ends['max']} values, expected {list(shape)}")
            lengths.append(ends["min"])
            array = array.flatten()
        else:
            break
    if num_rows and tuple(lengths) != tuple(shape):
        raise ValueError(f"has values of shape {lengths}, expected {list(shape)}")
    return array.to_numpy(zero_copy_only=False).reshape(num_rows, *shape)


def is_nested(kind: pa.DataType) -> bool:
    return not (pa.types.is_primitive(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def row_group_of(file: pq.ParquetFile, row: int, column: str) -> tuple[int, pa.ChunkedArray]:
    """The row group that holds `row` of the file: its first row, and its values of one column."""
    first = 0
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if row < first + size:
            return first, file.read_row_group(group, columns=[column])[column]
        first += size
    raise ValueError(f"row {row} lies behind the file's {first} rows")


def _what(path: str | pathlib.Path, where: str) -> str:
    return f"{path} ({where})" if where else str(path)
