"""A memory plan in words: where the memory goes, whether it fits, and what to change if it does not."""

import dataclasses
from collections.abc import Callable

from openpi.config import freeze, schema
from openpi.trainer import plan as plan_lib

GIB = 2**30
# As published, in GB, for one GPU; training at batch 32.
PUBLISHED = {"inference": 8.0, "LoRA fine-tuning": 22.5, "full fine-tuning": 70.0}


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of the configuration, as it is written on the command line, and the plan with it."""

    flags: str
    plan: plan_lib.Plan


def kind(config: schema.ConfigDict) -> str:
    """What is trained, in words; a key of `PUBLISHED` if the published figures speak of it."""
    if not config.freeze:
        return "full fine-tuning"
    lora = freeze.lora_filter(config.model)
    return "LoRA fine-tuning" if config.freeze == lora else "fine-tuning of a part"


def table(config: schema.ConfigDict, plan: plan_lib.Plan) -> str:
    """Where the memory of one device goes, in GiB."""
    parts = [
        ("parameters that are trained", plan.trained),
        ("parameters that are frozen", plan.frozen),
        ("optimizer", plan.optimizer),
        ("moving average", plan.average),
        ("gradients", plan.gradients),
        ("activations", plan.activations),
        (f"batches ({plan.batch_size} samples and those ahead)", plan.batches),
    ]
    settings = f"remat={config.model.remat} fsdp_devices={config.fsdp_devices}"
    if config.accumulation_steps > 1:
        settings += f" accumulation_steps={config.accumulation_steps}"
    number = f"{plan.devices} device{'s' if plan.devices > 1 else ''}"
    lines = [f"{config.name}: {kind(config)}, batch {plan.batch_size} on {number}, {settings}; GiB on each"]
    lines += [f"  {name:<44}{_gib(size):>8}" for name, size in parts if size]
    starts = plan.state + plan.loaded == plan.peak
    lines.append(f"  {'peak, when the weights are loaded' if starts else 'peak':<44}{_gib(plan.peak):>8}")
    return "\n".join(lines)


def changes(
    config: schema.ConfigDict, plan: plan_lib.Plan, limit: int, measure: Callable[[schema.ConfigDict], plan_lib.Plan]
) -> list[Change]:
    """What could be changed at the same batch, and the memory it would take; each one alone, and then all together.

    Args:
      config: what does not fit.
      plan: its plan.
      limit: bytes of a device.
      measure: plans a configuration; each call compiles.
    """
    settings: list[dict[str, object]] = []
    if config.ema_decay:
        settings.append({"ema_decay": 0.0})
    if config.model.remat != "full":
        settings.append({"model.remat": "full"})
    parts = _parts(config, plan, limit)
    if parts > config.accumulation_steps:
        settings.append({"accumulation_steps": parts})
    if plan.devices > config.fsdp_devices:
        settings.append({"fsdp_devices": plan.devices})
    if len(settings) > 1:
        settings.append({field: value for setting in settings for field, value in setting.items()})
    return [Change(_flags(setting), measure(_with(config, setting))) for setting in settings]


def _parts(config: schema.ConfigDict, plan: plan_lib.Plan, limit: int) -> int:
    """Parts of the batch to try: the fewest that may fit, by powers of two, or as many as the batch has."""
    per_device, parts = plan.batch_size // plan.devices, config.accumulation_steps
    # The sum of the gradients comes on top of those of a part.
    fixed, activations = plan.state + plan.batches + 2 * plan.gradients, plan.activations * config.accumulation_steps
    while per_device % (2 * parts) == 0 and (
        parts == config.accumulation_steps or fixed + activations // parts > limit
    ):
        parts *= 2
    return parts


def _with(config: schema.ConfigDict, setting: dict[str, object]) -> schema.ConfigDict:
    changed = config.copy_and_resolve_references()
    with changed.unlocked():
        changed.update_from_flattened_dict(setting)
    return changed


def _flags(setting: dict[str, object]) -> str:
    return " ".join(
        f"--config.{field}={value:g}" if isinstance(value, float) else f"--config.{field}={value}"
        for field, value in setting.items()
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}" if size >= GIB / 100 else f"{size / GIB:.1g}"
