"""Prints an index of the messages of all errors that the source raises: `tools/bazel run //openpi/docs:error_index`."""

import ast
from collections.abc import Iterator

from tools import tree

_HEAD = """# All messages

Every error that the code raises with words, by file; `{}` stands for what varies.
"""


def text_of(node: ast.expr) -> str:
    """A string of the source, with `{}` for what is put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    return "{}"


def messages(source: str) -> Iterator[tuple[int, str]]:
    """The line and text of every message that is raised; names and values within it become `{}`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            text = text_of(node.exc.args[0])
            if text.replace("{}", "").strip(" :;,."):
                yield node.lineno, text


def render(files: dict[str, str]) -> str:
    """The page. `files`: path -> source."""
    text = [_HEAD.rstrip()]
    for path, source in sorted(files.items()):
        found = [message for _, message in sorted(messages(source))]
        if found:
            text += [
                "",
                f"## {path}",
                "",
                *(f"- `{message.replace('`', chr(39))}`" for message in dict.fromkeys(found)),
            ]
    return "\n".join(text) + "\n"


def sources() -> dict[str, str]:
    """Path -> source of every file of openpi that is no test and no benchmark."""
    paths = {path.relative_to(tree.root()).as_posix(): path for path in tree.files("*.py")}
    return {
        name: path.read_text(encoding="utf-8")
        for name, path in paths.items()
        if name.startswith("openpi/")
        and not name.startswith(("openpi/benchmarks/", "openpi/docs/", "openpi/testing/"))
        and not name.endswith("_test.py")
    }


if __name__ == "__main__":
    print(render(sources()), end="")
