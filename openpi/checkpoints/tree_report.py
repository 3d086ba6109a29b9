"""The arrays of a checkpoint as rows, groups and totals: for people as a table, for machines as a dict."""

from collections.abc import Mapping, Sequence
from typing import Any

from openpi.checkpoints import model_kind, stored_tree

_LLM = "PaliGemma/llm/"


def group(path: str) -> str:
    """The part of the model that a parameter belongs to."""
    first, _, rest = path.partition("/")
    if path.startswith(_LLM):
        return "action expert" if model_kind.is_expert(path) else "language model"
    if path.startswith("PaliGemma/img/"):
        return "image tower"
    return first if rest else "top level"


def describe(arrays: Mapping[str, stored_tree.StoredArray]) -> dict[str, Any]:
    """Everything that the metadata tells.

    Returns:
      `model` (name or None, why, adapters' ranks), `arrays` (path, shape, dtype, parameters, bytes), `groups` and `total`
      (arrays, parameters, bytes).
    """
    kind = model_kind.recognise(arrays)
    rows: list[dict[str, Any]] = [
        {
            "path": path,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "parameters": array.size,
            "bytes": array.nbytes,
        }
        for path, array in arrays.items()
    ]
    groups = {name: [row for row in rows if group(row["path"]) == name] for name in (group(path) for path in arrays)}
    return {
        "model": None
        if kind is None
        else {
            "name": str(kind),
            "config_type": kind.config_type,
            "evidence": kind.evidence,
            "language_lora_rank": kind.language_lora_rank,
            "expert_lora_rank": kind.expert_lora_rank,
        },
        "arrays": rows,
        "groups": {name: _total(members) for name, members in groups.items()},
        "total": _total(rows),
    }


def render(told: Mapping[str, Any], columns: Sequence[str] = ()) -> str:
    """`describe` as a table.

    Args:
      told: what `describe` returned; its rows may have more entries.
      columns: which of those to show, after the others.
    """
    head = ["path", "shape", "dtype", "parameters", "size", *columns]
    body = [
        [row["path"], str(row["shape"]), row["dtype"], f"{row['parameters']:,}", size(row["bytes"])]
        + [cell(row[column]) for column in columns]
        for row in told["arrays"]
    ]
    sums = [
        [name, count(total["arrays"], "array"), "", in_millions(total["parameters"]), size(total["bytes"])]
        for name, total in [*told["groups"].items(), ("total", told["total"])]
    ]
    model = told["model"]
    recognised = f"{model['name']}: {model['evidence']}" if model else "none that openpi knows"
    return "\n".join([f"model: {recognised}", "", *align([head, *body], left=3), "", *align(sums, left=3)])


def align(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Lines with the cells of each column under each other, the first `left` columns to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def size(nbytes: int) -> str:
    """`12.06 GiB`."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= scale:
            return f"{nbytes / scale:.2f} {unit}"
    return f"{nbytes} B"


def in_millions(parameters: int) -> str:
    """`3.238 B` or `414.804 M` or the number itself."""
    if parameters >= 10**9:
        return f"{parameters / 10**9:.3f} B"
    return f"{parameters / 10**6:.3f} M" if parameters >= 10**6 else f"{parameters:,}"


def count(number: int, noun: str) -> str:
    """`1 array`, `50 arrays`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def cell(value: float | int | str | None) -> str:
    """A figure for a table; `-` for none."""
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _total(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {
        "arrays": len(rows),
        "parameters": sum(row["parameters"] for row in rows),
        "bytes": sum(row["bytes"] for row in rows),
    }
