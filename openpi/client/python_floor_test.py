"""What runs on a robot's computer runs on its Python: 3.9 and later."""

import ast
import pathlib

import pytest

_PACKAGES = (
    "cli",
    "client",
    "runtime",
    *(f"robots/{name}" for name in ("driving", "video", "aloha", "aloha_sim", "droid", "libero", "template", "ur5")),
)
_FILES = sorted(
    path
    for package in _PACKAGES
    for path in (pathlib.Path(__file__).parent.parent / package).glob("*.py")
    if not path.name.endswith("_test.py")
)
# Modules, names of modules and keyword arguments that came after Python 3.9, as far as such programs are tempted by them.
_LATER_MODULES = {"tomllib"}
_LATER_NAMES = {
    "typing": {
        "Concatenate", "LiteralString", "Never", "NotRequired", "ParamSpec", "ParamSpecArgs", "ParamSpecKwargs", "Required", "Self",
        "TypeAlias", "TypeGuard", "TypeVarTuple", "Unpack", "assert_never", "assert_type", "dataclass_transform", "override",
        "reveal_type",
    },
    "types": {"EllipsisType", "NoneType", "NotImplementedType", "UnionType"},
    "asyncio": {"Barrier", "Runner", "TaskGroup", "timeout", "timeout_at"},
    "contextlib": {"aclosing", "chdir"},
    "datetime": {"UTC"},
    "enum": {"ReprEnum", "StrEnum"},
    "inspect": {"get_annotations"},
    "itertools": {"batched", "pairwise"},
    "statistics": {"correlation", "covariance", "linear_regression"},
}  # fmt: skip
_LATER_BUILTINS = {"ExceptionGroup", "BaseExceptionGroup", "aiter", "anext", "EncodingWarning"}
_LATER_ARGUMENTS = {"zip": {"strict"}, "dataclass": {"kw_only", "slots", "match_args"}, "field": {"kw_only"}}


def _name(node):
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _without_annotations(tree):
    """Annotations are text under `from __future__ import annotations`."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return tree


def _find_later(source):
    """What in a source came after Python 3.9."""
    tree = ast.parse(source, feature_version=(3, 9))
    deferred = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    for node in ast.walk(_without_annotations(tree) if deferred else tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in _LATER_MODULES)
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name in _LATER_NAMES.get(node.module, ()))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in _LATER_NAMES.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Name) and node.id in _LATER_BUILTINS:
            yield node.id
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in _LATER_ARGUMENTS.get(_name(node.func), ()):
                    yield f"{_name(node.func)}({keyword.arg}=)"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = [_name(node.left), _name(node.right), getattr(node.right, "value", ...)]
            if None in sides or {"int", "str", "float", "list", "tuple", "bytes", "dict", "ndarray"} & set(sides[:2]):
                yield ast.unparse(node)


def test_the_files_are_here():
    assert {"msgpack_numpy.py", "websocket_client_policy.py", "runtime.py", "drive.py"} <= {
        path.name for path in _FILES
    }


@pytest.mark.parametrize("path", _FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_is_later_than_python_3_9(path):
    assert list(_find_later(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import typing\ndef f() -> typing.Self: ...",
        "from typing import Self",
        "import tomllib",
        "zip([], [], strict=True)",
        "import dataclasses\n@dataclasses.dataclass(kw_only=True)\nclass A: ...",
        "def f(x: int | None): ...",
        "isinstance(1, list | tuple)",
        "from __future__ import annotations\nisinstance(1, list | tuple)",
        "import asyncio\nasyncio.timeout(1)",
        "ExceptionGroup('', [])",
    ],
)
def test_later_things_are_found(source):
    assert list(_find_later(source))


def test_later_syntax_is_found():
    with pytest.raises(SyntaxError):
        list(_find_later("match x:\n  case 1: ..."))
