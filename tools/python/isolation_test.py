"""Programs see the standard library, the tree and their declared wheels; nothing installed on the machine."""

import pathlib
import site
import subprocess
import sys

_OUTSIDER = "installed_outside"


def _imports(interpreter: str, module: str, home: pathlib.Path) -> bool:
    """Whether an interpreter, started as a user with this home would, imports a module."""
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    return subprocess.run([interpreter, "-c", f"import {module}"], env=environment, capture_output=True).returncode == 0


def test_a_package_installed_outside_cannot_be_imported(tmp_path):
    installed = tmp_path / ".local/lib/python3.11/site-packages" / f"{_OUTSIDER}.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("")
    machine_python = sys._base_executable
    assert _imports(machine_python, _OUTSIDER, tmp_path), "the machine's own Python should see it"
    assert not _imports(sys.executable, _OUTSIDER, tmp_path)


def test_the_machines_site_packages_are_not_on_the_path():
    machine = {str(pathlib.Path(path)) for path in site.getsitepackages([sys.base_prefix])}
    assert machine
    assert not machine & set(sys.path)


def test_the_interpreter_has_no_packages_of_its_own():
    for folder in site.getsitepackages([sys.prefix]):
        assert not list(pathlib.Path(folder).glob("*")), folder


def test_the_version_is_the_one_that_the_lock_is_for():
    assert sys.version_info[:2] == (3, 11)
