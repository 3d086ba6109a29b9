"""The targets of the tree, as its BUILD files declare them: what a page may call a program or a test."""

import ast
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# A flag of absl or argparse, where a program or one of its libraries defines it.
_FLAG = re.compile(r'(?:DEFINE_\w+|add_argument)\(\s*f?"(?:--)?([\w{}]+)"')
_OF_ALL = frozenset({"help", "helpfull", "list_configs"})


class Rule(NamedTuple):
    """A target: its kind (`py_test`), its package's folder, and what its lists of strings hold, labels in full."""

    kind: str
    folder: pathlib.Path
    srcs: tuple[str, ...]
    deps: tuple[str, ...]
    data: tuple[str, ...]
    actual: str  # of an alias, else ""


def full(label: str, package: str = "") -> str:
    """`//a/b` as `//a/b:b`, and `:c` or `c` of a package as `//PACKAGE:c`."""
    if not label.startswith(("//", "@")):
        return f"//{package}:{label.removeprefix(':')}"
    return label if ":" in label else f"{label}:{label.rpartition('/')[2]}"


def read(root: pathlib.Path) -> dict[str, Rule]:
    """Every target below `root` that a rule names outright, by its full label. Those that loops make are not among them."""
    targets = {}
    for path in sorted(root.rglob("BUILD.bazel")):
        package = path.parent.relative_to(root).as_posix().removeprefix(".")
        for name, rule in _rules(path, package):
            targets[f"//{package}:{name}"] = rule
    return targets


def find(targets: Mapping[str, Rule], label: str) -> Rule | None:
    """The target of a label, through aliases; None where there is none."""
    rule = targets.get(full(label))
    return find(targets, rule.actual) if rule and rule.actual else rule


def flags(targets: Mapping[str, Rule], label: str) -> set[str]:
    """Names of the flags that a program takes: those of its own file and of all its deps'.

    A name that a loop makes has its hole: `{side}_camera`.
    """
    found, seen, left = set(_OF_ALL), set(), [full(label)]
    while left:
        now = left.pop()
        rule = find(targets, now)
        if now in seen or rule is None:
            continue
        seen.add(now)
        left += rule.deps
        for source in rule.srcs:
            path = rule.folder / source
            if path.suffix == ".py" and path.is_file():
                found |= set(_FLAG.findall(path.read_text(encoding="utf-8")))
    return found


def _rules(path: pathlib.Path, package: str) -> Iterator[tuple[str, Rule]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        values = {keyword.arg: keyword.value for keyword in node.keywords}
        for name in _strings(values.get("name")):
            srcs = _strings(values.get("srcs")) or _strings(values.get("main"))
            if node.func.id == "py_binary" and not srcs:
                srcs = ("main.py",)
            elif node.func.id == "py_test" and not srcs:
                srcs = (f"{name}.py",)
            deps, data, actual = (
                tuple(full(label, package) for label in _strings(values.get(key))) for key in ("deps", "data", "actual")
            )
            yield name, Rule(node.func.id, path.parent, srcs, deps, data, "".join(actual))


def _strings(node: ast.expr | None) -> tuple[str, ...]:
    """The strings of an expression that is a string or a list of them, sums of lists included."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return (node.value,)
    if isinstance(node, ast.List):
        return tuple(string for element in node.elts for string in _strings(element))
    if isinstance(node, ast.BinOp):
        return _strings(node.left) + _strings(node.right)
    return ()
