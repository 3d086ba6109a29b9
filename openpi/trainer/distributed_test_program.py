"""Adds up a number of every process, 20 times or until a signal comes; one of the processes may come to grief on the way."""

import itertools
import os
import pathlib
import signal
import time

import jax
import numpy as np
from absl import flags
from absl import logging as absl_logging

from openpi.cli import program
from openpi.trainer import distributed, distributed_flags, sharding, stop_signal

_FAIL = flags.DEFINE_enum("fail", "", ["", "bug", "freeze", "kill", "value"], "What happens at step 10.")
_VICTIM = flags.DEFINE_integer("victim", 1, "To which process.")
_FOR_EVER = flags.DEFINE_boolean("for_ever", False, "Go on until a signal comes.")
_FACT = flags.DEFINE_string("fact", "", "All must have the same.")
_FILE = flags.DEFINE_string("file", "", "Who finds it missing makes it, and says so.")


def main(_: list[str]) -> int:
    absl_logging.set_verbosity(absl_logging.WARNING)
    with distributed.joined(distributed_flags.rendezvous()) as processes:
        processes.agree({"--fact": _FACT.value})
        if _FILE.value:
            processes.first_alone(_make_file)
        mesh = sharding.make_mesh(1, jax.device_count())
        ones = sharding.put_batch(mesh, np.ones(jax.device_count() // processes.count))
        add = processes.begin_together(jax.jit(lambda array: array.sum(), out_shardings=sharding.replicated(mesh)))
        with stop_signal.StopSignal() as stop:
            agreement = processes.stop_agreement(lambda: stop.received, 0)
            for step in itertools.count():
                total = float(add(ones))
                if step == 10 and processes.index == _VICTIM.value:
                    _come_to_grief()
                last = bool(stop.received) if agreement is None else agreement.after(step)
                print("step", step, flush=True)
                if last or (step == 19 and not _FOR_EVER.value):
                    break
                time.sleep(0.01)
        print(f"process {processes.index} of {processes.count}: {total:g} devices, last step {step}")
        return 0 if agreement is None else agreement.signal


def _make_file() -> None:
    path = pathlib.Path(_FILE.value)
    if not path.exists():
        time.sleep(0.5)
        path.touch(exist_ok=False)
        print("made the file")


def _come_to_grief() -> None:
    match _FAIL.value:
        case "value":
            raise ValueError("the cube is gone")
        case "bug":
            raise TypeError("a bug")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    program.run(main)
