import dataclasses

import pytest

from openpi.config import freeze, load, table
from openpi.trainer import plan, plan_report, tiny_dataset

_GIB = plan_report.GIB
PLAN = plan.Plan(
    batch_size=32,
    devices=1,
    trained=12 * _GIB,
    frozen=0,
    optimizer=24 * _GIB,
    average=12 * _GIB,
    gradients=12 * _GIB,
    activations=16 * _GIB,
    batches=_GIB // 4,
    loaded=12 * _GIB,
)


def test_the_table_names_each_part_and_their_sum():
    lines = plan_report.table(tiny_dataset.config(batch_size=32, accumulation_steps=2), PLAN).splitlines()
    assert lines[0].startswith(
        "aloha_reach: full fine-tuning, batch 32 on 1 device, remat=none fsdp_devices=1 accumulation_steps=2"
    )
    numbers = {line.rsplit(maxsplit=1)[0].strip(): float(line.rsplit(maxsplit=1)[1]) for line in lines[1:]}
    assert numbers["optimizer"] == 24 and "parameters that are frozen" not in numbers
    assert numbers.pop("peak") == sum(numbers.values()) == 76.25


def test_what_is_loaded_may_be_the_peak():
    small = dataclasses.replace(PLAN, activations=0, gradients=0)
    assert small.peak == 60 * _GIB
    assert "peak, when the weights are loaded" in plan_report.table(tiny_dataset.config(), small)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pi0_libero", "full fine-tuning"), ("pi0_libero_low_mem_finetune", "LoRA fine-tuning"), ("pi0_fast_libero_low_mem_finetune", "LoRA fine-tuning")],
)  # fmt: skip
def test_what_is_trained(name, kind):
    config = load.load(table.config_path(name))
    assert plan_report.kind(config) == kind
    assert kind in plan_report.PUBLISHED


def test_a_pattern_of_ones_own_is_a_part():
    config = tiny_dataset.config(freeze=".*img.*")
    assert freeze.lora_filter(config.model) == ""
    assert plan_report.kind(config) == "fine-tuning of a part"


def asked_for(settings, limit, **plan_changes):
    """(flags, configuration) of each change that is measured."""
    measured = []

    def measure(config):
        measured.append(config)
        return PLAN

    config = tiny_dataset.config(batch_size=32, **settings)
    found = plan_report.changes(config, dataclasses.replace(PLAN, **plan_changes), limit * _GIB, measure)
    return [(change.flags, changed) for change, changed in zip(found, measured, strict=True)]


def test_each_change_alone_and_all_together():
    found = asked_for({"ema_decay": 0.99, "model__remat": "dots"}, 77, devices=2)
    assert [flags for flags, _ in found] == [
        "--config.ema_decay=0",
        "--config.model.remat=full",
        "--config.accumulation_steps=4",  # 72.25 GiB and a second sum of gradients, and a quarter of 16
        "--config.fsdp_devices=2",
        "--config.ema_decay=0 --config.model.remat=full --config.accumulation_steps=4 --config.fsdp_devices=2",
    ]
    last = found[-1][1]
    assert (last.ema_decay, last.model.remat, last.accumulation_steps, last.fsdp_devices) == (0.0, "full", 4, 2)
    assert (found[0][1].model.remat, found[0][1].accumulation_steps) == ("dots", 1)


def test_nothing_left_to_change():
    assert asked_for({"ema_decay": 0.0, "model__remat": "full"}, 20, batch_size=1) == []
