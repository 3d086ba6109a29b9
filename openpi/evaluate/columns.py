"""Cells as lines of text whose columns stand below each other."""

from collections.abc import Sequence


def align(lines: Sequence[Sequence[str]]) -> str:
    """Returns the lines, each of as many cells."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
