"""The Arrow types that frames are stored as, with the description that Hugging Face's `datasets` reads them by."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from openpi.data.lerobot import info as lerobot_info

MAX_AXES = 5  # `datasets` has types for arrays of so many axes

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def of(info: lerobot_info.Info) -> pa.Schema:
    """The schema of the parquet files of frames."""
    fields: list[pa.Field] = []
    described: dict[str, Any] = {}
    for key, feature in info.features.items():
        if feature.dtype != "video":
            kind, described[key] = _kind(feature, "Sequence" if info.per_episode else "List")
            fields.append(pa.field(key, kind))
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": described}})})


def table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """The columns as a table: arrays [T, ...], lists of texts or of images `{"bytes", "path"}`."""
    return pa.table([_to_arrow(columns[field.name], field.type) for field in schema], schema=schema)


def _kind(feature: lerobot_info.Feature, sequence: str) -> tuple[pa.DataType, dict[str, Any]]:
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.dtype == "image":
        return _IMAGE, {"_type": "Image"}
    scalar = pa.string() if feature.dtype == "string" else pa.from_numpy_dtype(np.dtype(feature.dtype))
    if feature.shape == (1,):
        return scalar, value
    if len(feature.shape) == 1:
        size = feature.shape[0]
        return pa.list_(scalar, size), {"feature": value, "length": size, "_type": sequence}
    kind = scalar
    for _ in feature.shape:
        kind = pa.list_(kind)
    return kind, {
        "shape": list(feature.shape),
        "dtype": feature.dtype,
        "_type": f"Array{len(feature.shape)}D",
    }


def _to_arrow(values: Any, kind: pa.DataType) -> pa.Array:
    if not isinstance(values, np.ndarray):
        return pa.array(values, kind)
    return _lists(pa.array(values.ravel()), values.shape[1:], kind)


def _lists(flat: pa.Array, shape: Sequence[int], kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat.cast(kind.value_type), type=kind)
    if pa.types.is_list(kind):
        inner = _lists(flat, shape[1:], kind.value_type)
        offsets = pa.array(np.arange(0, len(inner) + 1, shape[0], dtype=np.int32))
        return pa.ListArray.from_arrays(offsets, inner)
    return flat.cast(kind)
