"""Several processes that train one model together, through JAX's own runtime.

`jax.distributed` connects them and their devices. Beside it they share a few texts (`distributed_store`), look after one another
(`distributed_watch`), and agree on what they train (`distributed_facts`) and when to stop (`distributed_stop`).
"""

import contextlib
import dataclasses
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import jax
from jax._src import distributed as jax_distributed

from openpi.cli import program
from openpi.trainer import distributed_facts, distributed_stop, distributed_store, distributed_watch

_LOGGER = logging.getLogger("openpi")
_PATIENCE_S = 7 * 24 * 3600.0  # others may be fetching a dataset; that they live is for the watch to see

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Rendezvous:
    """How the processes find one another; without any of the first four fields there is only this one.

    Attributes:
      coordinator: "host:port" of process 0, which listens there.
      num_processes: how many there are.
      process_id: which one this is, from 0.
      cluster: "auto": what runs them (Slurm, Open MPI, ...) tells the three; or JAX's name of one, e.g. "slurm".
      join_s: how long to wait for the others.
      silence_s: a process that has not been heard of for so long has failed.
    """

    coordinator: str = ""
    num_processes: int | None = None
    process_id: int | None = None
    cluster: str = ""
    join_s: float = 300.0
    silence_s: float = 60.0

    def __post_init__(self) -> None:
        given = (bool(self.coordinator), self.num_processes is not None, self.process_id is not None)
        if self.cluster and any(given):
            raise ValueError("give --distributed, or --coordinator, --num_processes and --process_id, but not both")
        if any(given) and not all(given):
            raise ValueError("--coordinator, --num_processes and --process_id belong together: give all three")
        if self.coordinator and not self.coordinator.rpartition(":")[2].isdecimal():
            raise ValueError(f"--coordinator={self.coordinator} is not HOST:PORT")
        if self.num_processes is not None and not 0 <= (self.process_id or 0) < self.num_processes:
            raise ValueError(
                f"--process_id={self.process_id} and --num_processes={self.num_processes}: ids go from 0 to one less"
            )

    @property
    def alone(self) -> bool:
        """There is only this process."""
        return not self.cluster and not self.coordinator


class Processes:
    """The processes of this training.

    Attributes:
      index: this one; 0 is who writes logs and files.
      count: how many there are.
    """

    index = 0
    count = 1

    def first_alone(self, make: Callable[[], T]) -> T:
        """`make()`, in process 0 before the others: what it leaves on a disk that they share, they find."""
        return make()

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raises ValueError in all of them if one has other facts (as JSON can hold them) than process 0."""
        del facts

    def begin_together(self, function: Callable[..., T]) -> Callable[..., T]:
        """`function`, whose first call waits for that of the others: Gloo gives up on who comes to it 30 s later."""
        return function

    def stop_agreement(self, received: Callable[[], int], first_step: int) -> distributed_stop.StopAgreement | None:
        """See `distributed_stop`; None where there is nobody to agree with. At most one."""
        del received, first_step
        return None


ALONE = Processes()


class _Joined(Processes):
    """More than one."""

    def __init__(self, store: distributed_store.Store, watch: distributed_watch.Watch, index: int, count: int) -> None:
        self.index, self.count = index, count
        self._store, self._watch = store, watch
        self._meetings = 0

    def first_alone(self, make: Callable[[], T]) -> T:
        if self.index == 0:
            made = make()
            self.meet()
            return made
        self.meet()
        return make()

    def agree(self, facts: Mapping[str, Any]) -> None:
        topic = f"facts/{self._meetings}"
        self._store.set(f"{topic}/{self.index}", json.dumps(dict(facts)))
        self.meet()
        told = {key.rpartition("/"): text for key, text in self._store.read().items()}
        try:
            distributed_facts.compare({int(key[2]): json.loads(text) for key, text in told.items() if key[0] == topic})
        except ValueError:
            # All of them find the same, and each says so itself, however slow it is.
            self._watch.ignore_failures()
            self.meet()
            raise

    def begin_together(self, function: Callable[..., T]) -> Callable[..., T]:
        begun = threading.Event()

        def call(*args: Any) -> T:
            if not begun.is_set():
                begun.set()
                self.meet()
            return function(*args)

        return call

    def stop_agreement(self, received: Callable[[], int], first_step: int) -> distributed_stop.StopAgreement:
        agreement = distributed_stop.StopAgreement(self._store, self.index, self.count, received, first_step)
        self._watch.listen(agreement.look)
        return agreement

    def meet(self) -> None:
        """Returns when all have called it."""
        self._meetings += 1
        self._store.barrier(f"meeting/{self._meetings}", _PATIENCE_S)


@contextlib.contextmanager
def joined(rendezvous: Rendezvous) -> Iterator[Processes]:
    """Connects this process with the others, and parts from them at the end. Call it before anything touches a device.

    If another process fails, this one ends with a line. An exception in this one is told to the others, said here, and ends it:
    without the orderly end of the interpreter, in which threads would wait for those that are gone.

    Raises:
      ValueError: the cluster cannot be found out.
    """
    if rendezvous.alone:
        yield ALONE
        return
    _initialize(rendezvous)
    index, count = jax_distributed.global_state.process_id, jax_distributed.global_state.num_processes
    store = distributed_store.JaxStore()
    watch = distributed_watch.Watch(store, index, count, silence_s=rendezvous.silence_s)
    processes = _Joined(store, watch, index, count)
    if index:
        _LOGGER.setLevel(logging.WARNING)
        _LOGGER.addFilter(lambda record: _name_process(record, index))
    watch.start()
    try:
        processes.agree({"--num_processes": count})
        yield processes
        processes.meet()
    except BaseException as error:  # noqa: BLE001  whatever it is, the others must know
        watch.fail(error)
        code = program.report(error)
        sys.stdout.flush()
        sys.stderr.flush()
        watch.leave(code)
    watch.stop()
    jax.distributed.shutdown()


def _initialize(rendezvous: Rendezvous) -> None:
    # Of JAX's own ways to end, the preemption notice would swallow SIGTERM, and the lost heartbeat comes after our watch's.
    jax.config.update("jax_enable_preemption_service", False)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    here = threading.Event()
    threading.Thread(target=_give_up, args=(here, rendezvous), name="join", daemon=True).start()
    detection = {"": "deactivate", "auto": None}.get(rendezvous.cluster, rendezvous.cluster)
    try:
        jax.distributed.initialize(
            rendezvous.coordinator or None,
            rendezvous.num_processes,
            rendezvous.process_id,
            cluster_detection_method=detection,
            initialization_timeout=int(rendezvous.join_s) + 60,
            heartbeat_timeout_seconds=int(rendezvous.silence_s * 2) + 10,
        )
    except ValueError as error:
        raise ValueError(
            f"--distributed={rendezvous.cluster} finds no cluster here ({error}): give --coordinator, --num_processes and "
            "--process_id"
        ) from error
    finally:
        here.set()


def _give_up(here: threading.Event, rendezvous: Rendezvous) -> None:
    if here.wait(rendezvous.join_s):
        return
    state = jax_distributed.global_state
    address = state.coordinator_address or rendezvous.coordinator
    process = f"process {state.process_id} of {state.num_processes}"
    program.say_error(f"{process} {_why_alone(address, rendezvous.join_s)}")
    os._exit(1)


def _why_alone(address: str, waited_s: float) -> str:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        return (
            f"cannot reach the coordinator, process 0, at {address} within {waited_s:g} s ({error}): is it running, and is this "
            "its address?"
        )
    return f"waited {waited_s:g} s at {address}, and not all processes came: start each with an id of its own"


def _name_process(record: logging.LogRecord, index: int) -> bool:
    record.msg = f"process {index}: {record.msg}"
    return True
