"""Tells, before anything is loaded, whether a training fits the memory of its devices, and the largest batch that does.

    bazel run //openpi/train:plan -- --config_name=pi05_libero --device_memory_gib=80

It compiles the training for shapes alone, on this machine's CPU, as it would run on accelerators: none is needed, nothing is
read, and no parameter is made. For several devices, and fields of the configuration changed:

    ... --devices=8 --config.fsdp_devices=8 --config.batch_size=256 --config.model.remat=dots

A tenth of the device is left to its driver, its libraries and what falls between allocations; start the training with
XLA_PYTHON_CLIENT_MEM_FRACTION=0.9 in the environment, so that JAX may take the rest. GPUs join more operations into one than the
CPU's compiler does: what is told here is rather too much for them than too little.
"""

import jax
from absl import flags

from openpi.config import app, schema
from openpi.trainer import plan, plan_batch, plan_report

_MEMORY = flags.DEFINE_float("device_memory_gib", 80.0, "Memory of each device.", lower_bound=0.001)
_DEVICES = flags.DEFINE_integer("devices", 1, "Devices that training runs on.", lower_bound=1)

_USABLE = 0.9


def main(config: schema.ConfigDict) -> int:
    """Prints the plan; the exit code is 1 if the training does not fit."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", _DEVICES.value)
    limit = int(_USABLE * _MEMORY.value * plan_report.GIB)
    planned = plan.of_training(config)
    print(plan_report.table(config, planned))
    fits = planned.peak <= limit
    usable = f"the {limit / plan_report.GIB:.3g} GiB that can be used of {_MEMORY.value:g}"
    print(f"\nit {'fits' if fits else 'does NOT fit'} in {usable}", flush=True)
    _print_largest(config, planned, limit)
    if not fits:
        _print_changes(config, planned, limit)
    _print_published(config)
    return int(not fits)


def _print_largest(config: schema.ConfigDict, planned: plan.Plan, limit: int) -> None:
    def need(batch_size: int) -> int:
        if batch_size == planned.batch_size:
            return planned.peak
        changed = config.copy_and_resolve_references()
        changed.batch_size = batch_size
        return plan.of_training(changed).peak

    step = planned.devices * config.accumulation_steps
    largest = plan_batch.largest(need, limit, step=step, first=planned.batch_size)
    print(f"the largest batch that fits: {largest}" if largest else f"not even a batch of {step} fits", flush=True)


def _print_changes(config: schema.ConfigDict, planned: plan.Plan, limit: int) -> None:
    print(f"\nat batch {planned.batch_size}, GiB on each device:")
    for change in plan_report.changes(config, planned, limit, plan.of_training):
        verdict = "fits" if change.plan.peak <= limit else "does not fit"
        print(f"  {change.plan.peak / plan_report.GIB:8.3g}  {verdict:<12}  {change.flags}", flush=True)
    if not config.freeze:
        print("or train adapters alone (LoRA), as experiments/libero.py:pi0_libero_low_mem_finetune does")
    print("or split the parameters over more devices: --devices=N --config.fsdp_devices=N")


def _print_published(config: schema.ConfigDict) -> None:
    inference = plan.of_inference(config).peak / plan_report.GIB
    print(f"\nserving the model takes {inference:.3g} GiB")
    if config.model.language.width < 2048:
        return
    published = plan_report.PUBLISHED
    told = [f"inference more than {published['inference']:g}"]
    if plan_report.kind(config) in published:
        told.append(f"{plan_report.kind(config)} at batch 32 more than {published[plan_report.kind(config)]:g}")
    print(f"published for this size: {', '.join(told)} GB on one GPU")


if __name__ == "__main__":
    app.define_config(question="what to plan?")
    app.run(main)
