"""The memory that a compiled program needs on each device, for this machine's devices and for accelerators that it lacks."""

import dataclasses

import jax
from jax.extend.mlir import ir

# Which parts of XLA for CPUs would keep float32 copies that no accelerator needs.
_LIKE_AN_ACCELERATOR: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",  # of machine code: it never runs, and is ready several times sooner
    "xla_cpu_use_fusion_emitters": False,  # the same
    "xla_cpu_experimental_ynn_fusion_type": "",  # products of float16 that come out as float32
    "xla_disable_hlo_passes": "change-op-data-type",  # float16 that becomes float32 for a product
}


@dataclasses.dataclass(frozen=True)
class ProgramMemory:
    """Bytes on each device.

    Attributes:
      arguments: what the program is given.
      outputs: what it returns, without what takes the place of donated arguments.
      temporaries: what it needs in between.
    """

    arguments: int
    outputs: int
    temporaries: int

    @property
    def peak(self) -> int:
        """All together."""
        return self.arguments + self.outputs + self.temporaries


def of_compiled(compiled: jax.stages.Compiled) -> ProgramMemory:
    """What a compiled program will need, as its compiler laid it out."""
    stats = compiled.memory_analysis()
    outputs = stats.output_size_in_bytes - stats.alias_size_in_bytes
    return ProgramMemory(stats.argument_size_in_bytes, outputs, stats.temp_size_in_bytes)


def on_accelerator(lowered: jax.stages.Lowered) -> ProgramMemory:
    """What a program lowered for this machine's CPU would need on a device that multiplies bfloat16.

    It is compiled for the CPU, with float16 in place of bfloat16: as large, and the CPU multiplies it without a float32
    copy. What stays of the CPU: it joins fewer operations into one than a GPU, so that a few more results are kept.

    Args:
      lowered: of a jitted function; it is of no more use afterwards.
    """
    module = lowered.compiler_ir("stablehlo")
    with module.context:
        substitute = ir.Module.parse(lowered.as_text().replace("bf16", "f16"))
        for operation in list(module.body.operations):
            operation.erase()
        for operation in list(substitute.body.operations):
            module.body.append(operation.operation.clone())
    return of_compiled(lowered.compile(compiler_options=_LIKE_AN_ACCELERATOR))
