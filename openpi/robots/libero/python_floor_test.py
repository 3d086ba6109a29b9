"""What runs in LIBERO's own Python runs on 3.8."""

import ast
import pathlib

import pytest

_FILES = ("messages.py", "simulator.py")
_LATER = {"removeprefix", "removesuffix", "cache", "batched", "pairwise", "nullcontext_async", "zoneinfo", "graphlib"}


def _without_annotations(tree):
    """Annotations are text under `from __future__ import annotations`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return tree


def _later(source):
    """What in a source came after Python 3.8: names, generic builtins, | of dicts and types."""
    tree = ast.parse(source, feature_version=(3, 8))
    deferred = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    for node in ast.walk(_without_annotations(tree) if deferred else tree):
        if isinstance(node, ast.Attribute) and node.attr in _LATER:
            yield node.attr
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            if node.value.id in ("dict", "list", "set", "tuple", "type", "Mapping", "Sequence", "Callable"):
                yield ast.unparse(node)
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.BitOr):
            yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg in ("strict", "kw_only", "slots"):
            yield node.arg
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (name for name in names if name.partition(".")[0] in _LATER)


@pytest.mark.parametrize("name", _FILES)
def test_nothing_is_later(name):
    source = (pathlib.Path(__file__).parent / name).read_text(encoding="utf-8")
    assert list(_later(source)) == []
    outside = {"numpy", "openpi"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found = {module.partition(".")[0] for module in modules}
            assert found <= outside | {
                "__future__",
                "collections",
                "importlib",
                "json",
                "os",
                "struct",
                "sys",
                "typing",
            }


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: dict[str, int]): ...",
        "x = list[int]",
        "a | b",
        "a |= b",
        "'a'.removeprefix('b')",
        "zip(a, strict=True)",
        "import zoneinfo",
        "import functools\nfunctools.cache",
    ],
)
def test_later_things_are_found(source):
    assert list(_later(source))


def test_later_syntax_is_found():
    with pytest.raises(SyntaxError):
        list(_later("match x:\n  case 1: ..."))
