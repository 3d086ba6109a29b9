"""Measures how soon a policy server answers after a start: the first on this machine, and those after it, which find compiled programs.

    bazel run //openpi/benchmarks:restart -- --json=PATH

The server serves a model of middle size as a user starts it, on the CPU; counted is from its start to its first answer. The exit
code is 1 when a later one takes 5 s or more.
"""

import contextlib
import pathlib
import re
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator

import jax
from absl import flags

from openpi.benchmarks import record
from openpi.cli import program
from openpi.client import websocket_client_policy
from openpi.policies import tiny_checkpoint
from openpi.testing import program as started

_RECORD = record.Record("restart", ("jax", "jaxlib"))
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Starts that find compiled programs.", lower_bound=1)

_TARGET_SECONDS = 5.0
_PATIENCE = 600.0  # seconds for the first start
_READY = re.compile(r"ready: ws://127\.0\.0\.1:(\d+) ")


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    with tempfile.TemporaryDirectory() as home:
        checkpoint = _write_checkpoint(pathlib.Path(home))
        seconds = [_first_answer(checkpoint, home) for _ in range(1 + _ROUNDS.value)]
    cold, *warm = seconds
    met = statistics.median(warm) < _TARGET_SECONDS
    result = {
        "first_start_seconds": cold,
        "later_start_seconds": record.spread(warm),
        "targets": {"later_start_seconds": _TARGET_SECONDS, "met": met},
    }
    print(f"first start: {cold:.1f} s to the first answer; later: {statistics.median(warm):.1f} s")
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0 if met else 1


def _write_checkpoint(home: pathlib.Path) -> pathlib.Path:
    """Of the simulated reach task, with the networks of `sampling`'s mid model."""
    config = tiny_checkpoint.config()
    size = {"depth": 8, "num_heads": 4, "num_kv_heads": 1, "head_dim": 64}
    config.model.siglip.update(width=256, depth=4, mlp_dim=1024, num_heads=4, patch_size=14)
    config.model.language.update(size, width=256, mlp_dim=1024)
    config.model.expert.update(size, width=128, mlp_dim=512)
    config.model.update(action_horizon=50, image_size=224)
    config.sampling.update(num_steps=10)
    return tiny_checkpoint.write(home / "run", tiny=config)


def _first_answer(checkpoint: pathlib.Path, home: str) -> float:
    """Seconds from a server's start to its first answer."""
    observation = tiny_checkpoint.observation()
    began = time.perf_counter()
    with _server(checkpoint, home) as port, websocket_client_policy.WebsocketClientPolicy("127.0.0.1", port) as policy:
        policy.infer(observation)
        return time.perf_counter() - began


@contextlib.contextmanager
def _server(checkpoint: pathlib.Path, home: str) -> Iterator[int]:
    """A server in a process of its own; gives its port once it is ready."""
    command = [*started.command("openpi/serve"), f"--checkpoint={checkpoint}", "--port=0"]
    environment = started.environment(OPENPI_DATA_HOME=home, JAX_PLATFORMS="cpu")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            readable, _, _ = select.select([process.stdout], [], [], _PATIENCE)
            ready = _READY.match(process.stdout.readline()) if readable else None
            if not ready:
                raise RuntimeError("the server did not become ready; its log is above")
            yield int(ready[1])
        finally:
            process.kill()


if __name__ == "__main__":
    program.run(main)
