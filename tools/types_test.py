"""The public packages pass the type checker (tools/mypy.ini)."""

import os
import pathlib
import subprocess
import sys

import mypy

from tools import tree


def test_types(tmp_path):
    mypy_packages = pathlib.Path(mypy.__file__).parents[1]
    # The wheels of this test's data, for their types, and mypy's own.
    wheels = [str(path.resolve()) for path in pathlib.Path("..").glob("*/site-packages")]
    assert str(mypy_packages.resolve()) in {str(pathlib.Path(path).resolve()) for path in wheels}
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            f"--config-file={tree.root() / 'tools/mypy.ini'}",
            f"--cache-dir={tmp_path}",
            "--package=openpi",
            "--no-color-output",
        ],
        cwd=tree.root(),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(wheels)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
