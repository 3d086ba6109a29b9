"""Checks one target's imports against its declared deps: the tool of the strict-dependency aspect.

Usage: strict_deps_check.py REQUEST.json STAMP. The request, written by strict_deps.bzl:
  label     the target, e.g. "//openpi/models:gemma"
  sources   path of each source -> its path in the tree
  deps      label of each declared dep -> the modules that it brings
  implied   labels of deps that need not be imported
  outside   label of every outside package -> the modules that it brings
"""

import ast
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import NamedTuple


class Import(NamedTuple):
    """`import module` (name is None) or `from module import name`, at a line of a file."""

    module: str
    name: str | None
    file: str
    line: int


def find_imports(source: str, file: str) -> Iterator[Import]:
    """Yields every import of a source, those inside functions too. Raises SyntaxError."""
    for node in ast.walk(ast.parse(source, filename=file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, None, file, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            package = module_name(file).split(".")[: -node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            for alias in node.names:
                yield Import(module, alias.name, file, node.lineno)


def module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def is_standard(module: str) -> bool:
    return module.split(".")[0] in sys.stdlib_module_names


def find_label(imported: Import, providers: dict[str, list[str]]) -> str | None:
    """The label whose modules hold this import: the longest match wins."""
    wanted = f"{imported.module}.{imported.name}" if imported.name else imported.module
    matches = [
        (len(module), label)
        for label, modules in providers.items()
        for module in modules
        if wanted == module or wanted.startswith(module + ".")
    ]
    return max(matches)[1] if matches else None


def suggest_label(imported: Import, outside: dict[str, list[str]]) -> str:
    """The label to add for an import that no declared dep brings."""
    if label := find_label(imported, outside):
        return f"add {label}"
    parts = imported.module.split(".")
    if parts[0] not in ("openpi", "experiments", "tools"):
        return "no such outside package: add it to third_party/python (packages.bzl, requirements.in)"
    as_module = f"//{'/'.join(parts[:-1])}:{parts[-1]}"
    if imported.name is None or not imported.name.islower():
        return f"add {as_module}"
    return f"add //{'/'.join(parts)}:{imported.name} (or {as_module}, if '{imported.name}' is defined there)"


def check(request: dict) -> list[str]:
    """The violations of one target, each a line that says what to change."""
    label, deps, problems = request["label"], request["deps"], []
    own = {label: [module_name(file) for file in request["sources"].values()]}
    used = set()
    for path, file in request["sources"].items():
        for imported in find_imports(pathlib.Path(path).read_text(encoding="utf-8"), file):
            if is_standard(imported.module) or find_label(imported, own):
                continue
            if dep := find_label(imported, deps):
                used.add(dep)
            else:
                what = f"{imported.module}.{imported.name}" if imported.name else imported.module
                problems.append(
                    f"{file}:{imported.line}: imports {what}, which no dep of {label} brings: "
                    + suggest_label(imported, request["outside"])
                )
    for dep in deps:
        if dep not in used and dep not in request["implied"]:
            problems.append(f"{label}: dep {dep} is never imported: remove it")
    return problems


def main(request_path: str, stamp_path: str) -> int:
    request = json.loads(pathlib.Path(request_path).read_text(encoding="utf-8"))
    try:
        problems = check(request)
    except SyntaxError as error:
        problems = [f"{error.filename}:{error.lineno}: {error.msg}"]
    if problems:
        print("strict deps:", *problems, sep="\n  ", file=sys.stderr)
        return 1
    pathlib.Path(stamp_path).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
