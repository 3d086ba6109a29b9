"""The flags by which the processes of one training find one another."""

from absl import flags

from openpi.trainer import distributed

_DISTRIBUTED = flags.DEFINE_string(
    "distributed",
    "",
    "Train in several processes that a cluster has started: 'auto' finds out which (Slurm, Open MPI, ...), or name one as JAX "
    "does: slurm, ompi, k8s, mpi4py.",
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", "", "HOST:PORT of process 0 as the others reach it, for processes that you start yourself."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes there are.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which of them this is: 0, 1, ...")
_JOIN_SECONDS = flags.DEFINE_float(
    "join_seconds", 300.0, "How long a process waits for the others to come.", lower_bound=1.0
)
_SILENCE_SECONDS = flags.DEFINE_float(
    "silence_seconds",
    60.0,
    "A process that has not been heard of for so long has failed; the others end.",
    lower_bound=2.0,
)


def rendezvous() -> distributed.Rendezvous:
    """As the command line says.

    Raises:
      ValueError: the flags don't go together.
    """
    return distributed.Rendezvous(
        coordinator=_COORDINATOR.value,
        num_processes=_NUM_PROCESSES.value,
        process_id=_PROCESS_ID.value,
        cluster=_DISTRIBUTED.value,
        join_s=_JOIN_SECONDS.value,
        silence_s=_SILENCE_SECONDS.value,
    )
