"""Libraries of hardware, which only a robot's computer has."""

from __future__ import annotations

import importlib
from typing import Any


def load(module: str, remedy: str) -> Any:
    """Imports a module. Raises RuntimeError that names it and the remedy, such as "pip install ur-rtde"."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RuntimeError(
            f"the Python module {module} is needed to drive this robot ({error}): {remedy}; or try --dry_run, without hardware"
        ) from error
