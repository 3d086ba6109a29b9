"""What every benchmark does with its figures: the conditions go beside them, and all into a file."""

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import flags

flags.disclaim_key_flags()  # --help lists the flags below under the program that asked for them


class Record:
    """Defines `--json`, `--commit` and `--note` for the calling program.

    Args:
      name: of the benchmark's target.
      packages: distributions whose versions matter.
    """

    def __init__(self, name: str, packages: Sequence[str]):
        self._name, self._packages = name, packages
        self._json = flags.DEFINE_string("json", None, "File for the result.")
        self._commit = flags.DEFINE_string("commit", None, "The commit that is measured.")
        self._note = flags.DEFINE_string("note", None, "Conditions worth telling: what else ran on the machine.")

    def write(self, figures: dict[str, Any], *, device: str | None = None, unsaid: Sequence[str] = ()) -> None:
        """Writes `figures` and the conditions to the file of `--json`, if any.

        Args:
          figures: what JSON holds.
          device: what computed, if not simply the processor.
          unsaid: flags that the recorded command leaves out, since their values mean nothing elsewhere: paths.
        """
        if not self._json.value:
            return
        left_out = tuple(f"--{flag}" for flag in ("json", "commit", "note", *unsaid))
        said = [arg for arg in sys.argv[1:] if not arg.startswith(tuple(f"{flag}=" for flag in left_out))]
        machine = {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
        conditions = {
            "versions": {"python": platform.python_version()}
            | {package: importlib.metadata.version(package) for package in self._packages},
            "machine": machine | ({"device": device} if device else {}),
            "command": [f"//openpi/benchmarks:{self._name}", *said],
            "commit": self._commit.value,
            "note": self._note.value,
        }
        path = pathlib.Path(self._json.value)
        path.write_text(json.dumps(figures | conditions, indent=1) + "\n", encoding="utf-8")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median, 90 and 99 of 100, greatest, and how many."""
    low, median, p90, p99, high = np.percentile(values, [0, 50, 90, 99, 100]).tolist()
    return {"min": low, "median": median, "p90": p90, "p99": p99, "max": high, "n": len(values)}
