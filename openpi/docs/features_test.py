"""The table of features names what exists, leaves nothing out and no cell empty."""

import pytest

from openpi.config import schema
from openpi.docs import build_targets, command_check, page
from tools import tree

_ROOT = tree.root()
_TARGETS = build_targets.read(_ROOT)
_ROWS = list(page.tables((_ROOT / "openpi/docs/features.md").read_text(encoding="utf-8")))


def test_every_item_has_a_row_and_no_cell_is_empty():
    assert [cells[0] for _, cells in _ROWS] == [str(number) for number in range(1, 103)]
    for line, cells in _ROWS:
        assert len(cells) == 5 and all(cells), f"features.md, line {line}: {cells}"


def _is_field(name):
    config = schema.base_config("any")
    for part in name.split(".")[1:]:
        if part not in config:
            return False
        config = config[part]
    return True


@pytest.mark.parametrize(("line", "cells"), _ROWS, ids=lambda value: value[0] if isinstance(value, list) else "row")
def test_a_row_names_what_exists(line, cells):
    _, _, where, run, tests = cells
    paths = [name for name in page.code(where) if "/" in name or name in ("README.md", "LICENSE")]
    fields = [name for name in page.code(where) if name.startswith("config.") and "(" not in name]
    assert paths or fields or where.startswith(("— ", "every ")), f"line {line}: {where}"
    missing = [name for name in paths if "*" not in name and not (_ROOT / name).exists()]
    assert not missing, f"features.md, line {line}: no such file: {missing}"
    assert all(_is_field(name) for name in fields), f"features.md, line {line}: {fields}"

    commands = [name for name in page.code(run) if name.startswith(("tools/bazel", "python"))]
    assert len(commands) == 1 or run.startswith("— "), f"features.md, line {line}: {run}"
    assert [problem for command in commands for problem in command_check.problems(command, _TARGETS)] == []

    labels = page.code(tests)
    wrong = [
        label for label in labels if (rule := build_targets.find(_TARGETS, label)) is None or rule.kind != "py_test"
    ]
    assert labels and not wrong, f"features.md, line {line}: no test is called {wrong}"
