"""Reads a robot's file, such as my_robot.py: its limits, its home, and what opens its hardware."""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from openpi.robots.driving import driver
from openpi.runtime import safety_limits


class RobotFile(NamedTuple):
    """What is in it; `open_driver` is None where the file has none."""

    path: pathlib.Path
    limits: safety_limits.Limits
    home: tuple[float, ...]
    home_seconds: float
    open_driver: Callable[[], driver.Driver] | None


def load(path: pathlib.Path) -> RobotFile:
    """Runs the file.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it does not run, or a value in it is missing or makes no sense.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--robot={path}: no such file; openpi/robots/template/my_robot.py is one to copy")
    spec = importlib.util.spec_from_file_location(f"_robot_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"--robot={path} is not a Python file (its name must end in .py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"--robot={path} does not run: {type(error).__name__}: {error}") from error
    limits = _get(path, module, "LIMITS")
    if not isinstance(limits, safety_limits.Limits):
        raise ValueError(f"--robot={path}: LIMITS must be safety_limits.Limits, not {type(limits).__name__}")
    return RobotFile(
        path, limits, _home(path, module, limits), _seconds(path, module), getattr(module, "open_driver", None)
    )


def _get(path: pathlib.Path, module: Any, name: str) -> Any:
    if not hasattr(module, name):
        raise ValueError(f"--robot={path} has no {name}; openpi/robots/template/my_robot.py explains it")
    return getattr(module, name)


def _home(path: pathlib.Path, module: Any, limits: safety_limits.Limits) -> tuple[float, ...]:
    home = tuple(_get(path, module, "HOME"))
    if len(home) != len(limits.joints):
        raise ValueError(f"--robot={path}: HOME has {len(home)} numbers, and LIMITS {len(limits.joints)} joints")
    for joint, value in zip(limits.joints, home):
        if not joint.lower <= value <= joint.upper:
            raise ValueError(
                f"--robot={path}: HOME has {joint.name} at {value:g}, beyond {joint.lower:g} to {joint.upper:g}"
            )
        if joint.velocity_step is not None:
            raise ValueError(
                f"--robot={path}: joint {joint.name!r} takes velocities, by which this program goes to no home: copy "
                "openpi/robots/droid instead"
            )
    return home


def _seconds(path: pathlib.Path, module: Any) -> float:
    seconds = _get(path, module, "HOME_SECONDS")
    if not 0 <= seconds < 600:
        raise ValueError(f"--robot={path}: HOME_SECONDS={seconds:g} must be 0 to 600")
    return seconds
