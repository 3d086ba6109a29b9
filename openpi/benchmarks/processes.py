"""Measures what several processes cost: steps a second of one, and of two that share the same global batch and processors.

    bazel run //openpi/benchmarks:processes -- --json=PATH

Both train the same model on random inputs on two CPU devices, as a user starts them, in turn; the median of each counts.
"""

import pathlib
import statistics
import tempfile

import jax
from absl import flags

from openpi.benchmarks import record
from openpi.cli import program
from openpi.testing import processes
from openpi.trainer import metrics_writer

_RECORD = record.Record("processes", ("jax", "jaxlib"))
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Trainings of each kind.", lower_bound=1)

_STEPS, _BATCH = 41, 16  # the first step is not measured: the interval of 40 after it is
_KINDS = {"1 process x 2 devices": (1, 2), "2 processes x 1 device": (2, 1)}
_CONFIG = {
    "data.kind": "fake",
    "data.cache": "none",
    "batch_size": _BATCH,
    "num_train_steps": _STEPS,
    "log_interval": _STEPS - 1,
    "save_interval": 10 * _STEPS,
    "overwrite": True,
}


def main(_: list[str]) -> int:
    """Measures, prints and writes."""
    rates: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    with tempfile.TemporaryDirectory() as home:
        for _round in range(_ROUNDS.value):
            for kind, (count, devices) in _KINDS.items():
                rates[kind].append(_train(pathlib.Path(home), count, devices))
                print(f"{kind}: {rates[kind][-1]:.3f} steps/s", flush=True)
    one, two = (statistics.median(values) for values in rates.values())
    result = {
        "batch_size": _BATCH,
        "steps_per_second": rates,
        "two_processes_to_one": two / one,
    }
    print(f"two processes reach {two / one:.2f} of the steps a second of one")
    _RECORD.write(result, device=jax.devices()[0].device_kind)
    return 0


def _train(home: pathlib.Path, count: int, devices: int) -> float:
    """Steps a second of a training."""
    given = [f"--config.{field}={value}" for field, value in _CONFIG.items()]
    command = ["--config=experiments/aloha.py", *given]
    for end in processes.run(
        "openpi/train", [command] * count, cwd=home, devices=devices, timeout=1200, OPENPI_DATA_HOME=str(home)
    ):
        if end.returncode:
            raise RuntimeError(end.stderr)
    return float(metrics_writer.read(home / "checkpoints" / "aloha_reach" / "default")[-1]["steps_per_second"] or 0)


if __name__ == "__main__":
    program.run(main)
