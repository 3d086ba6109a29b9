"""Prints what a checkpoint holds, and how two differ.

    bazel run //openpi/checkpoints:inspect -- CHECKPOINT
    bazel run //openpi/checkpoints:inspect -- CHECKPOINT --values
    bazel run //openpi/checkpoints:inspect -- CHECKPOINT --diff=OTHER

A CHECKPOINT is a step folder, a run (its latest step), an item in a step (`params`, `train_state`), or the URL of one.
The tree, its sizes and the model it is of come from the metadata, at once. --values reads every array and tells its
minimum, maximum, mean and standard deviation, and how many NaN and infinities it has: with any, the exit code is 1.
--diff compares the values too, unless --novalues; with any difference the exit code is 1. --json writes the same for
machines; no array is ever held as a whole.
"""

import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

from absl import flags

from openpi.checkpoints import array_values, layout, locate, restore, stored_tree, tree_diff, tree_report
from openpi.cli import program

_FIGURES = ("min", "max", "mean", "std", "nan", "inf")

_VALUES = flags.DEFINE_boolean("values", None, "Read the arrays, too. By default only for --diff.")
_DIFF = flags.DEFINE_string("diff", None, "Another checkpoint: tell how it differs.")
_JSON = flags.DEFINE_string("json", None, "File for the result; - for standard output, then nothing else is printed.")


def main(checkpoint: str) -> int:
    """Reads, prints and returns the exit code."""
    folder, arrays = _open(checkpoint)
    if _DIFF.value:
        result, text, code = _diff(folder, arrays, *_open(_DIFF.value))
    else:
        result, text, code = _inspect(folder, arrays)
    if _JSON.value != "-":
        print(text)
    if _JSON.value:
        content = json.dumps(result, indent=1, allow_nan=False) + "\n"
        sys.stdout.write(content) if _JSON.value == "-" else pathlib.Path(_JSON.value).write_text(content, "utf-8")
    return code


def _open(checkpoint: str) -> tuple[pathlib.Path, dict[str, stored_tree.StoredArray]]:
    folder = layout.find_params_dir(locate.local(checkpoint))
    return folder, restore.parameters(folder) if folder.name != layout.TRAIN_STATE else stored_tree.open_arrays(folder)


def _inspect(folder: pathlib.Path, arrays: Mapping[str, stored_tree.StoredArray]) -> tuple[dict[str, Any], str, int]:
    told = {"path": str(folder), **tree_report.describe(arrays)}
    if not _VALUES.value:
        return told, f"{folder}\n{tree_report.render(told)}", 0
    figures = _reading(folder, lambda: array_values.measure(arrays))
    for row in told["arrays"]:
        row.update(array_values.as_json(figures[row["path"]]))
    bad = [path for path, found in figures.items() if found.nan or found.inf]
    lines = [f"{path}: {figures[path].nan:,} NaN and {figures[path].inf:,} infinite" for path in bad]
    verdict = f"NOT FINITE: {tree_report.count(len(bad), 'array')}" if bad else "all values are finite"
    return told, "\n".join([str(folder), tree_report.render(told, _FIGURES), "", *lines, verdict]), 1 if bad else 0


def _diff(
    folder: pathlib.Path,
    arrays: Mapping[str, stored_tree.StoredArray],
    other: pathlib.Path,
    others: Mapping[str, stored_tree.StoredArray],
) -> tuple[dict[str, Any], str, int]:
    told = {"a": str(folder), "b": str(other), **tree_diff.structure(arrays, others)}
    if _VALUES.value is not False:
        compared = _reading(f"{folder} or {other}", lambda: array_values.compare(arrays, others))
        told = tree_diff.with_values(told, compared)
    return told, f"A {folder}\nB {other}\n{tree_diff.render(told)}", 0 if tree_diff.same(told) else 1


def _reading(folder: Any, read: Any) -> Any:
    try:
        return read()
    except stored_tree.DAMAGE as error:
        raise stored_tree.damaged(folder, error) from error


if __name__ == "__main__":
    program.run(lambda arguments: main(*arguments), name="inspect", positional="CHECKPOINT")
