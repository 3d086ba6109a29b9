"""Formats the tree: `tools/bazel run //tools:format`. With check=True it only says what it would change."""

import os
import pathlib
import subprocess
import sys

import ruff

from tools import tree

# Lists that buildifier leaves alone otherwise, and warnings on top of its formatting.
_BUILDIFIER_LINT = "-native-py,-module-docstring,-function-docstring,-unnamed-macro"


def _run(*command: str | pathlib.Path) -> str:
    """Runs a tool at the root of the tree; returns what it prints if it fails, else ''."""
    result = subprocess.run(command, cwd=tree.root(), capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def format_python(*, check: bool) -> str:
    """Import order and layout of every .py file; returns the complaints, '' if none."""
    config = f"--config={tree.root() / 'tools/ruff.toml'}"
    binary = ruff.find_ruff_bin()
    lint = _run(binary, "check", config, "--no-cache", "--output-format=concise", *([] if check else ["--fix"]), ".")
    return lint + _run(binary, "format", config, "--no-cache", *(["--check", "--diff"] if check else []), ".")


def format_bazel(*, check: bool) -> str:
    """Layout and lint of every BUILD.bazel, MODULE.bazel and .bzl file; returns the complaints, '' if none."""
    mode = ["-mode=diff", "-lint=warn"] if check else ["-mode=fix", "-lint=fix"]
    buildifier = pathlib.Path("..", os.environ["BUILDIFIER"]).resolve()  # beside this repository in the runfiles
    return _run(buildifier, *mode, f"-warnings={_BUILDIFIER_LINT}", *tree.files("*.bazel", "*.bzl"))


def main() -> int:
    complaints = format_python(check=False) + format_bazel(check=False)
    sys.stderr.write(complaints)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
