"""Makes the wheel openpi-client from the source files of openpi/client and openpi/runtime."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

import uv

_TREE = pathlib.Path(__file__).parent.parent.parent
_PACKAGES = ("client", "runtime")


def build(out: pathlib.Path) -> pathlib.Path:
    """Writes the wheel into `out`, and returns its path. Equal sources make equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        staged = pathlib.Path(folder)
        shutil.copy(pathlib.Path(__file__).with_name("pyproject.toml"), staged)
        for package in _PACKAGES:
            target = staged / "openpi" / package
            target.mkdir(parents=True)
            for source in (_TREE / "openpi" / package).glob("*.py"):
                if not source.name.endswith(("_test.py", "_fuzz.py")):
                    shutil.copy(source, target)
        shutil.copy(_TREE / "openpi/client/README.md", staged / "openpi/client")
        # uv has this build backend inside, so that nothing is fetched.
        command = [uv.find_uv_bin(), "build", "--wheel", "--offline", "--no-cache", "--no-config", "--quiet"]
        subprocess.run(
            [*command, "--python", sys.executable, "--out-dir", str(staged / "out"), str(staged)], check=True
        )
        (wheel,) = (staged / "out").glob("*.whl")
        out.mkdir(parents=True, exist_ok=True)
        return pathlib.Path(shutil.copy(wheel, out))
