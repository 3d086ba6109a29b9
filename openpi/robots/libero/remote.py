"""LIBERO's simulator in a process of its own, with the Python that LIBERO needs."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from openpi.robots.libero import environment, messages, suites

_TREE = pathlib.Path(__file__).parents[3]


class RemoteSimulator:
    """A suite in LIBERO itself. `close`, or leaving a `with` block, ends the process."""

    def __init__(
        self, suite: str, *, python: str | os.PathLike[str], path: Sequence[str] = (), seed: int = suites.SEED
    ) -> None:
        """Starts the process and opens the suite.

        Args:
          suite: one of suites.MAX_STEPS.
          python: the interpreter of an environment with LIBERO in it, see requirements.txt.
          path: folders that it imports from besides, such as LIBERO's clone.
          seed: of each task's environment.

        Raises:
          RuntimeError: it cannot be started, or LIBERO is not there.
        """
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        own["PYTHONPATH"] = os.pathsep.join([str(_TREE), *path])
        try:
            self._process = subprocess.Popen(
                [os.fspath(python), "-m", "openpi.robots.libero.simulator"],
                env=own,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is this program's
            )
        except OSError as error:
            raise RuntimeError(f"--simulator_python={python} cannot be started: {error.strerror}") from None
        try:
            fields = {"command": "open", "suite": suite, "seed": seed, "render_size": suites.RENDER_SIZE}
            self.tasks = tuple(map(str, self._ask(fields)[0]["tasks"]))
        except RuntimeError as error:
            self.close()
            raise RuntimeError(
                f"LIBERO cannot be opened by {python} ({error}): install openpi/robots/libero/requirements.txt for it, or try "
                "--dry_run"
            ) from None
        except BaseException:
            self.close()
            raise

    def begin(self, task: int, trial: int) -> Mapping[str, np.ndarray]:
        """As `Simulator.begin`. Raises RuntimeError if the process has ended."""
        return self._ask({"command": "begin", "task": task, "trial": trial})[1]

    def step(self, action: np.ndarray) -> environment.Step:
        """As `Simulator.step`. Raises RuntimeError if the process has ended."""
        fields, seen = self._ask({"command": "step"}, {"action": np.asarray(action, np.float64)})
        return environment.Step(seen, bool(fields["done"]))

    def close(self) -> None:
        """Ends the process. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:  # of what it has not read
                    continue

    def __enter__(self) -> RemoteSimulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            messages.write(self._process.stdin, fields, arrays or {})
            answer, seen = messages.read(self._process.stdout)
        except (EOFError, BrokenPipeError):
            code = self._process.wait()
            raise RuntimeError(f"LIBERO's simulator has ended with exit code {code}: see what it wrote above") from None
        if "error" in answer:
            raise environment.SimulationError(str(answer["error"]))
        return answer, seen
