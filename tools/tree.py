"""The source tree, for tools that look at every file of it: lint, types, walls."""

import os
import pathlib
from collections.abc import Iterator

_NOT_OURS = ("testdata", "__pycache__", "node_modules")


def root() -> pathlib.Path:
    """The workspace: under `bazel run` by its variable, in a test by following MODULE.bazel's link out of the runfiles."""
    if workspace := os.environ.get("BUILD_WORKSPACE_DIRECTORY"):
        return pathlib.Path(workspace)
    return pathlib.Path("MODULE.bazel").resolve(strict=True).parent


def files(*patterns: str) -> Iterator[pathlib.Path]:
    """Every file of ours whose name matches one of the patterns ('*.py'), sorted."""
    for folder, folders, names in os.walk(root()):
        folders[:] = sorted(
            name for name in folders if name not in _NOT_OURS and name[0] != "." and name[:6] != "bazel-"
        )
        for name in sorted(names):
            if any(pathlib.PurePath(name).match(pattern) for pattern in patterns):
                yield pathlib.Path(folder, name)
