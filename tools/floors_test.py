"""The floors of the house (openpi/BUILD.bazel says them as visibility): what each folder may not import.

Outside packages and the two floors within openpi/policies are beyond package groups; this reads every import.
"""

import pathlib

import pytest

from tools import strict_deps_check, tree

_NO_JAX = ("jax", "flax", "optax", "orbax")

# Folder -> what no library file in it may import. Tests may reach higher: a client's test starts a server.
_FORBIDDEN = {
    "openpi/models": ("openpi.data", "openpi.trainer", "openpi.server", "openpi.checkpoints", "openpi.policies"),
    "openpi/engine": ("openpi.data", "openpi.trainer", "openpi.server", "openpi.checkpoints", "openpi.policies"),
    "openpi/tokenizers": _NO_JAX,
    "openpi/transforms": _NO_JAX,
    "openpi/normalization": _NO_JAX,
    "openpi/policies": ("openpi.trainer", "openpi.server"),
    "openpi/data": ("openpi.models", "openpi.trainer"),
    "openpi/checkpoints": ("openpi.data", "openpi.trainer"),
    "openpi/trainer": ("openpi.server",),
    "openpi/server": ("openpi.trainer", "openpi.data"),
    "openpi/sims": ("openpi.trainer", "openpi.server"),
} | {f"openpi/policies/{name}.py": _NO_JAX for name in ("conversions", "robot")}

_ROBOTS = ("absl", "numpy", "openpi.cli", "openpi.client", "openpi.runtime", "openpi.robots.driving")

# Folder -> the only packages beyond the standard library that its library files may import.
_ALLOWED = {
    "openpi/cli": ("absl", "openpi.cli"),
    "openpi/client": ("openpi.client", "msgpack", "numpy", "PIL", "websockets"),
    "openpi/runtime": ("openpi.client", "openpi.runtime", "numpy", "gymnasium"),  # gymnasium only when it is asked for
    "experiments": ("openpi.config", "ml_collections"),
} | {
    f"openpi/robots/{robot}": (*_ROBOTS, f"openpi.robots.{robot}", *more)
    for robot, more in {
        "driving": (),
        "video": ("av",),
        "aloha": (),
        "aloha_sim": ("gym_aloha", "openpi.robots.video"),
        "droid": ("PIL", "openpi.robots.video"),
        "libero": ("openpi.robots.video",),
        "template": (),
        "ur5": (),
    }.items()
}


def _imports(path: pathlib.Path) -> set[str]:
    """Every module that a file imports, `from a import b` as both a and a.b, the standard library left out."""
    found = strict_deps_check.find_imports(path.read_text(encoding="utf-8"), str(path.relative_to(tree.root())))
    outside = [imported for imported in found if not strict_deps_check.is_standard(imported.module)]
    return {f"{imported.module}.{imported.name}" if imported.name else imported.module for imported in outside}


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def _library_files(folder: str) -> list[pathlib.Path]:
    return [
        path
        for path in tree.files("*.py")
        if path.is_relative_to(tree.root() / folder) and not path.name.endswith("_test.py")
    ]


@pytest.mark.parametrize("folder", _FORBIDDEN)
def test_no_file_imports_what_its_floor_may_not(folder):
    forbidden = _FORBIDDEN[folder]
    for path in _library_files(folder):
        wrong = [module for module in _imports(path) if _within(module, forbidden)]
        assert not wrong, f"{path} imports {wrong}: {folder} may not"


@pytest.mark.parametrize("folder", _ALLOWED)
def test_the_ground_floor_imports_nothing_else(folder):
    for path in _library_files(folder):
        wrong = [module for module in _imports(path) if not _within(module, _ALLOWED[folder])]
        assert not wrong, f"{path} imports {wrong}: {folder} may import {_ALLOWED[folder]} only"
