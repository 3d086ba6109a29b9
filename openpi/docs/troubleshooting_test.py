"""Every message that the page explains is in the file that it names."""

import ast

import pytest

from openpi.docs import error_index, page
from tools import tree

_ROOT = tree.root()
_ROWS = list(page.tables((_ROOT / "openpi/docs/troubleshooting.md").read_text(encoding="utf-8")))


def _texts(path):
    nodes = ast.walk(ast.parse((_ROOT / path).read_text(encoding="utf-8")))
    return [error_index.text_of(node) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr)]


def test_there_is_a_table():
    assert len(_ROWS) > 25
    assert all(len(cells) == 3 and all(cells) for _, cells in _ROWS)


@pytest.mark.parametrize(
    ("line", "cells"), _ROWS, ids=lambda value: value[0][:40] if isinstance(value, list) else "row"
)
def test_a_message_is_in_its_file(line, cells):
    (message,), (path,) = page.code(cells[0]), page.code(cells[1])
    assert any(message in text for text in _texts(path)), f"troubleshooting.md, line {line}: {path} has no {message!r}"
    assert len(message) > 10
