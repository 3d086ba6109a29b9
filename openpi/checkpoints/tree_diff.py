"""How two checkpoints differ: arrays that only one has, other shapes and types, and other numbers."""

from collections.abc import Mapping
from typing import Any

from openpi.checkpoints import array_values, stored_tree, tree_report


def structure(a: Mapping[str, stored_tree.StoredArray], b: Mapping[str, stored_tree.StoredArray]) -> dict[str, Any]:
    """What the metadata tells.

    Returns:
      `only_in_a`, `only_in_b` (paths), `other_shape`, `other_dtype` (path, a, b), `in_both` (how many paths).
    """
    both = [path for path in a if path in b]
    return {
        "only_in_a": [path for path in a if path not in b],
        "only_in_b": [path for path in b if path not in a],
        "other_shape": [
            {"path": path, "a": list(a[path].shape), "b": list(b[path].shape)}
            for path in both
            if a[path].shape != b[path].shape
        ],
        "other_dtype": [
            {"path": path, "a": str(a[path].dtype), "b": str(b[path].dtype)}
            for path in both
            if a[path].dtype != b[path].dtype
        ],
        "in_both": len(both),
    }


def with_values(told: Mapping[str, Any], differences: Mapping[str, array_values.Difference]) -> dict[str, Any]:
    """`structure` with an entry `values`: path, equal, unequal, max_abs, rms."""
    values = [{"path": path, **array_values.as_json(found)} for path, found in differences.items()]
    return {**told, "values": values}


def same(told: Mapping[str, Any]) -> bool:
    """Whether nothing differs, as far as was compared."""
    lists = ("only_in_a", "only_in_b", "other_shape", "other_dtype")
    return not any(told[name] for name in lists) and all(row["equal"] for row in told.get("values", []))


def render(told: Mapping[str, Any]) -> str:
    """The differences as text; arrays that are equal are only counted."""
    lines = [f"only in A: {path}" for path in told["only_in_a"]] + [f"only in B: {path}" for path in told["only_in_b"]]
    for what in ("shape", "dtype"):
        lines += [f"other {what}: {row['path']}: {row['a']} in A, {row['b']} in B" for row in told[f"other_{what}"]]
    unequal = [row for row in told.get("values", []) if not row["equal"]]
    if unequal:
        head = ["other values", "elements", "max |A-B|", "rms"]
        cells = [
            [row["path"], *(tree_report.cell(row[name]) for name in ("unequal", "max_abs", "rms"))] for row in unequal
        ]
        lines += ["", *tree_report.align([head, *cells], left=1), ""]
    counts = [
        tree_report.count(told["in_both"], "array") + " in both",
        f"{len(told['only_in_a'])} only in A",
        f"{len(told['only_in_b'])} only in B",
        f"{len(told['other_shape'])} of another shape",
        f"{len(told['other_dtype'])} of another dtype",
        f"{len(unequal)} with other values" if "values" in told else "values not compared",
    ]
    verdict = "no difference" if same(told) else "they differ"
    return "\n".join([*lines, f"{verdict}: {', '.join(counts)}"])
