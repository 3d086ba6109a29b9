"""Links the files of several wheels into one folder: the tool of merged_wheels.bzl.

Usage: merge_wheels.py FOLDER LIST. The list names a file a line; what follows 'site-packages/' is its place in the folder.
A place that two wheels share (a namespace's __init__.py) keeps the first.
"""

import pathlib
import sys


def merge(folder: pathlib.Path, files: list[str]) -> None:
    for file in files:
        _, site_packages, place = file.partition("/site-packages/")
        link = folder / place
        if site_packages and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(pathlib.Path(file).resolve(strict=True))


if __name__ == "__main__":
    merge(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
