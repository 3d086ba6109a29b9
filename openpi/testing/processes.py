"""Starts a program of ours several times, as the processes of one training."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from openpi.testing import program


class Done(NamedTuple):
    """How a process ended."""

    returncode: int
    stdout: str
    stderr: str


@contextlib.contextmanager
def started(
    target: str,
    flags: Sequence[Sequence[str]],
    *,
    cwd: str | os.PathLike[str],
    devices: int = 1,
    **extra: str,
) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that find one another on this machine; whatever of them is left afterwards is killed.

    Args:
      target: a py_binary, as for `program.command`.
      flags: of each process.
      cwd: where the user stands.
      devices: of each process, on the CPU.
      **extra: added to the environment.
    """
    address = f"127.0.0.1:{free_port()}"
    more = os.environ.get("XLA_FLAGS", "")
    variables = {
        "BUILD_WORKING_DIRECTORY": str(cwd),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{more} --xla_force_host_platform_device_count={devices}",
    }
    processes = []
    try:
        for index, own in enumerate(flags):
            group = (f"--coordinator={address}", f"--num_processes={len(flags)}", f"--process_id={index}")
            processes.append(
                subprocess.Popen(
                    [*program.command(target), *(group if len(flags) > 1 else ()), *own],
                    cwd=cwd,
                    env=program.environment(**variables | extra),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(target: str, flags: Sequence[Sequence[str]], *, timeout: float = 400, **options) -> list[Done]:
    """Runs them to their ends; `options` are those of `started`."""
    with started(target, flags, **options) as processes:
        return finish(processes, timeout)


def finish(processes: Sequence[subprocess.Popen[str]], timeout: float = 400) -> list[Done]:
    """Waits for them."""
    ends = []
    for process in processes:
        out, err = process.communicate(timeout=timeout)
        ends.append(Done(process.returncode, out, err))
    return ends


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
