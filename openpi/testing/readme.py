"""Runs the examples of a README in a test, so that they go on working."""

import ast
import pathlib
import re
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple

_ROOT = pathlib.Path(__file__).parents[2]


class Block(NamedTuple):
    """A fenced block of Python."""

    line: int  # of the fence, from 1
    code: str


def blocks(text: str) -> list[Block]:
    """The blocks that are fenced as `python`, in order."""
    found = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text.count("\n", 0, match.start()) + 1, match[1]) for match in found]


def run(readme: str | pathlib.Path, modules: Iterable[ModuleType]) -> dict[str, Any]:
    """Runs all blocks of a file in order, as one program, and returns its variables.

    Args:
        readme: from the root of the repository; under Bazel it is in the test's `data`.
        modules: what the examples import, beyond the standard library. The test imports these itself, so that they are
            its deps.

    Raises:
        AssertionError: a block raised, which it names by its number and the line of the file; or there is none; or
            `modules` are not those that the examples import.
    """
    path = _ROOT / readme
    examples = blocks(path.read_text(encoding="utf-8"))
    assert examples, f"{readme}: no block begins with ```python"
    variables: dict[str, Any] = {"__name__": "__main__"}
    names = {module.__name__ for module in modules}
    used = set()
    for number, block in enumerate(examples, 1):
        # Empty lines in front make the interpreter's line numbers those of the file.
        try:
            tree = ast.parse("\n" * block.line + block.code, str(path))
            used |= {_among(names, imported) for imported in _imports(tree)}
            exec(compile(tree, str(path), "exec"), variables)
        except Exception as error:
            line = _line(error, str(path)) or block.line
            message = f"{readme}, line {line} (example {number}): {type(error).__name__}: {error}"
            raise AssertionError(message) from error
    assert names == used, f"{readme}: the test's modules are {sorted(names)}, the examples import {sorted(used)}"
    return variables


def _imports(tree: ast.Module) -> set[str]:
    """What is imported from outside the standard library, `from a import b` as a.b."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def _among(modules: set[str], imported: str) -> str:
    """The module that an import is of: a.b may be the module b of a, or the name b in the module a."""
    parent = imported.rpartition(".")[0]
    return parent if imported not in modules and parent in modules else imported


def _line(error: BaseException, path: str) -> int | None:
    """The last line of the file that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = []
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == path:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else None
