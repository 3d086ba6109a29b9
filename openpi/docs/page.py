"""What a page of the documentation holds: tables, blocks of shell commands and the marks above them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

SHELL = ("", "console", "sh", "bash")  # languages of fences that hold commands
_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
_CELL = re.compile(r"(?:`[^`]*`|\\\||[^|`])+")


class Block(NamedTuple):
    """A fenced block of commands."""

    line: int  # of the fence, from 1
    commands: tuple[str, ...]
    mark: str  # the comment right above it, "" without one


def blocks(text: str) -> Iterator[Block]:
    """The blocks of shell commands, in order. In `console` blocks a command follows `$ `, elsewhere each line is one."""
    for found in _FENCE.finditer(text):
        if found["language"] not in SHELL:
            continue
        lines = found["body"].replace("\\\n", " ").splitlines()
        if found["language"] == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        commands = tuple(" ".join(_without_comment(line).split()) for line in lines if _without_comment(line).strip())
        fence = found.start("language") - 3
        yield Block(text.count("\n", 0, fence) + 1, commands, found["mark"] or "")


def indented(text: str) -> list[str]:
    """The lines outside of fences that are indented as code, as commands."""
    lines = re.findall(r"^ {4}(\S.*)$", prose(text), re.MULTILINE)
    return [" ".join(_without_comment(line).split()) for line in lines]


def tables(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row of every table with its line, heads left out: its cells. A bar within backticks divides nothing."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        following = lines[number] if number < len(lines) else ""
        if line.startswith("|") and not line.startswith("| ---") and not following.startswith("| ---"):
            yield number, [cell.strip() for cell in _CELL.findall(line.strip().removeprefix("|").removesuffix("|"))]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*", "", line)
