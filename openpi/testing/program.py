"""Starts a program of ours in a test as a user starts it: Bazel's launcher where there is one, else the file."""

import os
import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[2]


def command(target: str) -> list[str]:
    """The command line of a py_binary, e.g. `openpi/serve` or `openpi/config:app_test_program`.

    Under Bazel the binary must be in the test's `data`. Outside it runs the binary's main file (`main.py` of a package,
    or the file named as the target) under this Python.
    """
    package, _, name = target.partition(":")
    folder = _ROOT / package
    launcher = folder / (name or folder.name)
    if launcher.is_file():
        return [str(launcher)]
    return [sys.executable, str(folder / f"{name or 'main'}.py")]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment, `extra` added, in which openpi can be imported from any directory.

    What openpi keeps between runs, it keeps in the test's own folder under Bazel.
    """
    own = os.environ.get("TEST_TMPDIR")
    kept = {"OPENPI_DATA_HOME": f"{own}/openpi"} if own else {}
    paths = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**kept, **os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path), **extra}


def run(
    target: str, *arguments: str, cwd: str | os.PathLike[str], timeout: float = 200, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end as a user who stands in `cwd`; `extra` is added to the environment."""
    return subprocess.run(
        [*command(target), *arguments],
        cwd=cwd,
        env=environment(**{"BUILD_WORKING_DIRECTORY": str(cwd)} | extra),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
